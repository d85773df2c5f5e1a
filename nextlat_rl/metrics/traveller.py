"""A trained model as the `Traveller` of the map metrics."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nextlat_rl.memory import Acting
from nextlat_rl.metrics.state_space import Trip
from nextlat_rl.world_model import WorldModel


class ModelTraveller:
    """Reads a trip as an episode of its environment; the policy gives the probabilities of the next move.

    Args:
        world_model: the trained model.
        read: turns a trip into an episode without rewards, observations o_0..o_t and actions a_0..a_{t-1}.
        moves: the environment's action for each of the moves 0, 1, ...
        acting: `trunk`, or `recurrent` for beliefs that only the latent dynamics updates from the first step on.
    """

    def __init__(
        self,
        world_model: WorldModel,
        read: Callable[[Trip], tuple[Sequence[Any], Sequence[Any]]],
        moves: Sequence[Any],
        acting: Acting = "trunk",
    ) -> None:
        self.world_model, self.read, self.acting = world_model, read, acting
        self.moves = world_model.encode_actions(moves)

    @torch.no_grad()
    def log_probs(self, trips: Sequence[Trip]) -> np.ndarray:
        """Log-probabilities `[N, moves]` of the next move."""
        wm = self.world_model
        last = self.beliefs(trips)
        policy = wm.policy_parameters(last)[:, None].expand(-1, len(self.moves), -1)
        moves = self.moves.expand(len(trips), *self.moves.shape)
        return wm.action_codec.log_prob(policy, moves).cpu().numpy()

    @torch.no_grad()
    def beliefs(self, trips: Sequence[Trip]) -> Tensor:
        """Beliefs after each of N trips, `[N, D]`."""
        episodes = [self.read(trip) for trip in trips]
        length = torch.tensor([len(observations) for observations, _ in episodes])
        belief = self._beliefs(episodes, int(length.max()))
        return belief[torch.arange(len(trips)), length - 1]

    def _beliefs(self, episodes: Sequence[tuple[Sequence[Any], Sequence[Any]]], length: int) -> Tensor:
        """`[N, length, D]`; an episode is padded with its last observation, which does not affect earlier beliefs."""
        world_model, model = self.world_model, self.world_model.model
        count = len(episodes)
        observations = [o for seen, _ in episodes for o in [*seen, *[seen[-1]] * (length - len(seen))]]
        observation = {
            name: leaf.unflatten(0, (count, length))
            for name, leaf in world_model.encode_observations(observations).items()
        }
        previous = world_model.no_actions(count * length).unflatten(0, (count, length))
        for row, (_, actions) in enumerate(episodes):
            if len(actions):
                previous[row, 1 : len(actions) + 1] = world_model.encode_actions(actions)
        reward = torch.zeros(count, length, dtype=torch.float32, device=world_model.device)
        is_first = (torch.arange(length, device=world_model.device) == 0).expand(count, length)
        x = model.embed_step(model.embed_action(previous), reward, observation, is_first)
        if self.acting == "trunk":
            return model.beliefs(x, torch.zeros_like(is_first, dtype=torch.long))
        beliefs = [model.beliefs(x[:, :1], torch.zeros_like(is_first[:, :1], dtype=torch.long))[:, 0]]
        for t in range(1, length):
            beliefs.append(model.dynamics(beliefs[-1], x[:, t]))
        return torch.stack(beliefs, 1)
