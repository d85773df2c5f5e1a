"""MountainCarContinuous' expert: it swings up the valley."""

from typing import Any

import gymnasium as gym
import numpy as np

from nextlat_rl.envs.behaviour import Behaviour

# Full power climbs in 106 steps but costs a tenth of its square a step; at 0.3 the climb takes 250.
_POWER = 0.6


class MountainCarExpert(Behaviour):
    """Pushes the way the car moves, so that every swing is higher than the last."""

    environments = ("MountainCarContinuous-",)

    def reset(self, env: gym.Env | None = None, seed: int = 0) -> None:
        """Nothing to do: the controller has no state."""

    def act(self, observation: Any) -> np.ndarray:
        """A force `[1]`."""
        return np.array([_POWER if observation[1] >= 0 else -_POWER], np.float32)


EXPERT = MountainCarExpert
