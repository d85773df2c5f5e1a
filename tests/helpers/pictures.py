"""A world of large pictures; importing the module registers it as `Pictures-v0`."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np

STEPS, SIDE = 20, 256


class Pictures(gym.Env[np.ndarray, int]):
    """Episodes of `STEPS` noisy pictures, 200 kB each: too much for a pipe's buffer."""

    observation_space = gym.spaces.Box(0, 255, (SIDE, SIDE, 3), np.uint8)
    action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        super().reset(seed=seed)
        self.left = STEPS
        return self._picture(), {}

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict]:
        self.left -= 1
        return self._picture(), 1.0, self.left == 0, False, {}

    def _picture(self) -> np.ndarray:
        return self.np_random.integers(0, 256, self.observation_space.shape, np.uint8)


gym.register("Pictures-v0", Pictures)
