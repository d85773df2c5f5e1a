"""A behaviour that solves token tasks by asking them for the answer."""

from typing import Any

import gymnasium as gym

from nextlat_rl.envs.behaviour import Behaviour
from nextlat_rl.envs.paper.token_task import TokenTask


class TaskSolver(Behaviour):
    """Waits while there is a prompt to read, then writes the right words."""

    environments = ("NextLat/",)

    def reset(self, env: gym.Env, seed: int) -> None:
        """Keep the task."""
        assert isinstance(env.unwrapped, TokenTask)
        self._task = env.unwrapped

    def act(self, observation: Any) -> int:
        """The task's own answer."""
        return self._task.best_action()
