"""Random walks on a street map."""

import numpy as np

from nextlat_rl.envs.behaviour import without_argument
from nextlat_rl.envs.paper.routes import RouteBehaviour
from nextlat_rl.envs.paper.street_map import StreetMapEnv

_WALKS = 1000  # random walks until one ends at a destination that the environment may ask for


class RandomWalk(RouteBehaviour):
    """Uniform legal moves, a uniform number of them in `1..longest`; the destination is where they end."""

    name = "random_walk"

    def plan(self, task: StreetMapEnv, rng: np.random.Generator) -> list[int]:
        """Walk, and make the end of the walk the destination; no moves where no end may be asked for (rare)."""
        for _ in range(_WALKS):
            node, walk = task.prompt[0], list[int]()
            for _ in range(int(rng.integers(1, task.longest + 1))):
                moves = task.graph.legal_moves(node)
                walk.append(moves[int(rng.integers(len(moves)))])
                node = task.graph.moves[node][walk[-1]]
            if task.allowed(task.prompt[0], node):
                task.redirect(node)
                return walk
        return []


BEHAVIOUR = without_argument(RandomWalk)
