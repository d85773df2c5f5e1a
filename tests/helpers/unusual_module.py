"""Registers environments on import, as a user's own module does: `env=tests.helpers.unusual_module:Stuck-v0`."""

import ctypes
import time

import gymnasium as gym
import numpy as np

from tests.helpers.unusual import Small, failing, raises


class Stuck(Small):
    """Raises in the second step."""

    observe = failing(2, lambda: raises(RuntimeError("stuck")))


class Sleeps(Small):
    """Hangs in Python in the second step."""

    observe = failing(2, lambda: time.sleep(600))


def deadlock() -> None:
    """Wait in C for ever; no signal gets through."""
    mutex = ctypes.create_string_buffer(128)
    for _ in range(2):
        ctypes.CDLL(None).pthread_mutex_lock(mutex)


class Deadlocks(Small):
    """Hangs in C in the second step."""

    observe = failing(2, deadlock)


class Outside(Small):
    """Its observations are outside the bounds."""

    def observe(self) -> np.ndarray:
        return np.full(3, 2.0, np.float32)


gym.register("Stuck-v0", entry_point=Stuck, disable_env_checker=True)
gym.register("Sleeps-v0", entry_point=Sleeps, disable_env_checker=True)
gym.register("Deadlocks-v0", entry_point=Deadlocks, disable_env_checker=True)
gym.register("Outside-v0", entry_point=Outside, disable_env_checker=True)
gym.register("Dot.Name-v0", entry_point=Small, disable_env_checker=True)
