"""The expert of MiniGrid-Memory looks at the object in the first room, then goes to the matching one."""

from typing import Any

import gymnasium as gym

from nextlat_rl.envs.experts.grid import GridExpert
from nextlat_rl.envs.minigrid.constants import FORWARD, LEFT

_WEST = 2


class MemoryExpert(GridExpert):
    """Turns back and walks towards the first room until it has seen the object there, then takes a shortest path.

    Unlike the expert of other levels it chooses by what the agent has observed, so that its data can teach a model to
    look and to remember.
    """

    environments = ("MiniGrid-Memory",)

    def reset(self, env: gym.Env, seed: int) -> None:
        """See `GridExpert.reset`."""
        super().reset(env, seed)
        self._seen = False

    def act(self, observation: Any) -> int:
        """Look first, then the next action of the plan."""
        level: Any = self._env.unwrapped
        self._seen = self._seen or level.agent_sees(1, level.height // 2 - 1)
        if self._seen:
            return super().act(observation)
        self._plan.clear()
        return FORWARD if level.agent_dir == _WEST else LEFT


EXPERT = MemoryExpert
