"""The expert of the paper's token tasks: it knows the answer."""

from typing import Any

import gymnasium as gym

from nextlat_rl.envs.behaviours.base import Behaviour
from nextlat_rl.envs.paper.token_task import TokenTask


class SolverBehaviour(Behaviour):
    """Waits while there is a prompt to read, then writes the right words."""

    def reset(self, env: gym.Env, seed: int) -> None:
        """Look at the task itself."""
        assert isinstance(env.unwrapped, TokenTask)
        self._task = env.unwrapped

    def act(self, observation: Any) -> int:
        """The task's own answer."""
        return self._task.best_action()
