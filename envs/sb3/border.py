"""The border to Stable-Baselines3, whose agents count from 0, know flat actions only and write floats."""

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from nextlat_rl.errors import UserError

_HUGE = 1e30  # "no bound" is written as inf or as the largest float


class SB3Border:
    """Turns elements of a space into what an SB3 agent reads and writes, and back.

    Discrete and MultiDiscrete begin at 0 and are flat there, MultiBinary is flat, integer Boxes are floats. Everything
    else is the same on both sides.

    Attributes:
        outside: the environment's space.
        inside: the agent's.
    """

    def __init__(self, space: gym.Space) -> None:
        self.outside, self.inside = space, space
        if isinstance(space, spaces.Discrete) and space.start != 0:
            self.inside = spaces.Discrete(space.n)
        elif isinstance(space, spaces.MultiDiscrete) and (space.nvec.ndim != 1 or np.any(space.start)):
            self.inside = spaces.MultiDiscrete(space.nvec.reshape(-1))
        elif isinstance(space, spaces.MultiBinary) and not isinstance(space.n, int):
            self.inside = spaces.MultiBinary(int(np.prod(space.shape)))
        elif isinstance(space, spaces.Box) and space.dtype.kind in "ui":
            low, high = space.low.astype(np.float32), space.high.astype(np.float32)
            self.inside = spaces.Box(low, high, dtype=np.float32)

    def to_outside(self, values: Any) -> Any:
        """Elements `[*B, *inside]` of the agent's as `[*B, *outside]` of the environment's space."""
        if self.inside is self.outside:
            return values
        array = np.asarray(values)
        if isinstance(self.outside, spaces.Box):
            return np.clip(np.rint(array), self.outside.low, self.outside.high).astype(self.outside.dtype)
        array = array.reshape(array.shape[: array.ndim - len(self.inside.shape or ())] + (self.outside.shape or ()))
        return array.astype(self.outside.dtype) + self._start

    def to_inside(self, values: Any) -> Any:
        """The inverse of `to_outside`."""
        if self.inside is self.outside:
            return values
        array = np.asarray(values) - self._start
        return array.reshape(array.shape[: array.ndim - len(self.outside.shape or ())] + (self.inside.shape or ()))

    @property
    def _start(self) -> Any:
        return getattr(self.outside, "start", 0)


class SB3Actions(gym.ActionWrapper):
    """An environment that takes an SB3 agent's actions.

    Raises:
        UserError: SB3's agents cannot act in the action space.
    """

    def __init__(self, env: gym.Env) -> None:
        super().__init__(env)
        check_actions(env.action_space)
        self._border = SB3Border(env.action_space)
        self.action_space = self._border.inside

    def action(self, action: Any) -> Any:
        """The environment's form of an agent's action."""
        return self._border.to_outside(action)


def check_actions(space: gym.Space) -> None:
    """Require actions that SB3's PPO or SAC can learn to choose.

    Raises:
        UserError: they cannot; `random` can.
    """
    if isinstance(space, spaces.Box) and not (np.abs([space.low, space.high], dtype=np.float64) < _HUGE).all():
        raise UserError(f"behaviour 'sb3' needs bounds, and actions are {space}: set bounds, or use 'random'")
    if not isinstance(space, spaces.Box | spaces.Discrete | spaces.MultiDiscrete | spaces.MultiBinary):
        raise UserError(f"behaviour 'sb3' cannot act in {type(space).__name__} action spaces; use 'random'")
