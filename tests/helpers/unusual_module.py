"""Registers environments on import, as a user's own module does: `env=tests.helpers.unusual_module:Stuck-v0`."""

import gymnasium as gym
import numpy as np

from tests.helpers.unusual import Small, failing, raises


class Stuck(Small):
    """Raises in the second step."""

    observe = failing(2, lambda: raises(RuntimeError("stuck")))


class Outside(Small):
    """Its observations are outside the bounds."""

    def observe(self) -> np.ndarray:
        return np.full(3, 2.0, np.float32)


gym.register("Stuck-v0", entry_point=Stuck, disable_env_checker=True)
gym.register("Outside-v0", entry_point=Outside, disable_env_checker=True)
gym.register("Dot.Name-v0", entry_point=Small, disable_env_checker=True)
