"""The map metrics of a model trained on a city, and its reconstructed map."""

import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from nextlat_rl.envs import make_env
from nextlat_rl.envs.paper.street_map import StreetMapEnv
from nextlat_rl.envs.paper.street_space import StreetSpace
from nextlat_rl.memory import Acting
from nextlat_rl.metrics.beliefs import effective_rank
from nextlat_rl.metrics.compression import random_walks, same_state_pairs, sequence_compression
from nextlat_rl.metrics.reconstruction import Reconstruction, free_trips, reconstruct
from nextlat_rl.metrics.state_space import Trip
from nextlat_rl.metrics.traveller import ModelTraveller
from nextlat_rl.metrics.trips import detour_robustness, next_token_test, valid_trajectories
from nextlat_rl.models.nextlat import NextLat
from nextlat_rl.plotting.street_map import map_figure
from nextlat_rl.world_model import WorldModel

_BELIEFS = 256  # rows of the matrix whose effective rank is taken
_TRIPS = 500
_WALKS = 2000
_DRAW = 0x6D6170  # of trips and walks: the same for every model


class MapTest:
    """Trips, walks and detours in one city, the same for every model.

    Args:
        env_id: the training environment; the trips are between held-out origins and destinations.
        trips: number of trips.
        walks: number of histories to pair up for sequence compression.
    """

    def __init__(self, env_id: str, trips: int = _TRIPS, walks: int = _WALKS) -> None:
        env = make_env(env_id).unwrapped
        assert isinstance(env, StreetMapEnv)
        self.env_id, self.space, self.limit, self.end = env_id, StreetSpace(env), env.longest + 1, env.end
        rng = np.random.default_rng(_DRAW)
        pairs = self.space.pairs(held_out=True)
        self.trips = [Trip(*pairs[i]) for i in rng.integers(len(pairs), size=trips)]
        ends = [pairs[i] for i in rng.integers(len(pairs), size=walks)]
        self.walks = [
            walk for n in range(1, 5) for walk in random_walks(self.space, ends[n - 1 :: 4], length=2 * n, seed=n)
        ]
        self.pairs = same_state_pairs(self.space, self.walks)

    def measures(self, model: NextLat, acting: Acting = "trunk") -> dict[str, float]:
        """All metrics by name: shares in 0..1, and the effective rank."""
        traveller = self.traveller(model, acting)
        return {
            "valid trajectories": valid_trajectories(traveller, self.space, self.trips, self.limit),
            "compression": sequence_compression(traveller, self.space, self.pairs, self.limit),
            "effective rank": effective_rank(self.beliefs(traveller)),
            "detour robustness": detour_robustness(traveller, self.space, self.trips, self.limit),
            "legal next moves": next_token_test(traveller, self.space, self.walks[: len(self.trips)]),
        }

    def traveller(self, model: NextLat, acting: Acting = "trunk") -> ModelTraveller:
        """The model as a traveller in this city."""
        return ModelTraveller(WorldModel(model, self.env_id), self.space.read, self.space.moves, acting)

    def beliefs(self, traveller: ModelTraveller) -> Tensor:
        """Beliefs `[N, D]` after each of N different walks."""
        chosen = np.random.default_rng(_DRAW).permutation(len(self.walks))[:_BELIEFS]
        return traveller.beliefs([self.walks[i] for i in chosen])

    def map(self, model: NextLat) -> Reconstruction:
        """The map that explains the model's trips, drawn with a fixed seed."""
        traveller = self.traveller(model)
        rng = np.random.default_rng(_DRAW)
        trips = free_trips(traveller, self.trips, self.end, self.limit, rng)
        return reconstruct(self.space, trips, self.space.nearby)

    def figure(self, found: Reconstruction, title: str) -> Figure:
        """The map, with streets that do not exist in red."""
        places = {node: (float(x), float(y)) for node, (x, y) in enumerate(self.space.graph.places)}
        return map_figure(places, self.space.graph.edges, found, title)
