"""Shortest paths on a street map."""

import numpy as np

from nextlat_rl.envs.behaviour import without_argument
from nextlat_rl.envs.paper.routes import RouteBehaviour
from nextlat_rl.envs.paper.street_map import StreetMapEnv


class ShortestPath(RouteBehaviour):
    """A shortest path, the same one every time."""

    name = "shortest"

    def plan(self, task: StreetMapEnv, rng: np.random.Generator) -> list[int]:
        """Nothing: the task's own answer is a shortest path."""
        return []


BEHAVIOUR = without_argument(ShortestPath)
