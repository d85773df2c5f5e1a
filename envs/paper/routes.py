"""Base of the behaviours that travel street maps along a way planned in advance."""

from abc import abstractmethod
from collections import deque
from typing import Any

import gymnasium as gym
import numpy as np

from nextlat_rl.envs.behaviour import Behaviour
from nextlat_rl.envs.paper.street_map import StreetMapEnv
from nextlat_rl.errors import UserError


class RouteBehaviour(Behaviour):
    """Plans a way when a problem begins and follows it; moved elsewhere, it takes a shortest path from there."""

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
        """The moves of a way to the destination; an empty list leaves it to the shortest path."""
