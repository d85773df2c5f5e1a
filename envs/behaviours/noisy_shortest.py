"""Fastest paths through traffic on a street map."""

import numpy as np

from nextlat_rl.envs.behaviour import without_argument
from nextlat_rl.envs.paper.routes import RouteBehaviour
from nextlat_rl.envs.paper.street_map import StreetMapEnv


class NoisyShortestPath(RouteBehaviour):
    """The fastest path where each street takes a time of its own, drawn for each problem (exponential)."""

    name = "noisy_shortest"

    def plan(self, task: StreetMapEnv, rng: np.random.Generator) -> list[int]:
        """The fastest path, unless it has too many moves."""
        graph = task.graph
        times = rng.exponential(size=(len(graph), len(graph.headings)))
        origin, destination = task.prompt
        path = graph.cheapest_path(origin, destination, times)
        return path if len(path) <= task.longest else []


BEHAVIOUR = without_argument(NoisyShortestPath)
