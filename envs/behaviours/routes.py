"""Travellers on a street map: along shortest paths in traffic, or at random."""

from __future__ import annotations

from abc import abstractmethod
from collections import deque
from typing import Any

import gymnasium as gym
import numpy as np

from nextlat_rl.envs.behaviours.base import Behaviour
from nextlat_rl.envs.paper.street_map import StreetMapEnv
from nextlat_rl.errors import UserError

_WALKS = 1000  # random walks until one ends where the environment may send somebody


class RouteBehaviour(Behaviour):
    """Plans a way when a problem begins and follows it; moved elsewhere, it takes a shortest path from there."""

    name: str

    def reset(self, env: gym.Env, seed: int) -> None:
        """Look at the map.

        Raises:
            UserError: the environment has none.
        """
        if not isinstance(env.unwrapped, StreetMapEnv):
            raise UserError(f"behaviour '{self.name}' travels street maps (env=NextLat/StreetMap-10x10) only")
        self._task = env.unwrapped
        # A stream of its own: the environment draws its pairs from the same seed.
        self._rng = np.random.default_rng([seed, 0x726F757465])
        self._route = deque[int]()

    def act(self, observation: Any) -> int:
        """Wait for the prompt, then the next move of the way."""
        task = self._task
        if task.read == 1:
            self._route = deque(self.plan(task, self._rng))
        return self._route.popleft() if self._route and task.read == len(task.prompt) else task.best_action()

    def replace_last(self, action: Any) -> None:
        """Another move was made: the plan is void."""
        self._route.clear()

    @abstractmethod
    def plan(self, task: StreetMapEnv, rng: np.random.Generator) -> list[int]:
        """The moves of a way to the destination; none leaves it to the shortest path."""


class ShortestPath(RouteBehaviour):
    """A shortest path, the same one every time."""

    name = "shortest"

    def plan(self, task: StreetMapEnv, rng: np.random.Generator) -> list[int]:
        """Nothing: the task's own answer is a shortest path."""
        return []


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


class RandomWalk(RouteBehaviour):
    """Uniform legal moves, as many as uniform in 1 to `longest` says; the destination is where they end."""

    name = "random_walk"

    def plan(self, task: StreetMapEnv, rng: np.random.Generator) -> list[int]:
        """Walk, and make the end of the walk the destination; in the rare case that it never may be, none."""
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
