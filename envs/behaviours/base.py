"""What a behaviour is: something that chooses actions, one episode after the other."""

from abc import ABC, abstractmethod
from typing import Any

import gymnasium as gym


class Behaviour(ABC):
    """Chooses actions in one environment instance.

    Each episode is `reset` once (after the environment was reset), then `act` once per step. A behaviour draws any
    randomness from a generator seeded in `reset`, so an episode depends on its seed alone.
    """

    @abstractmethod
    def reset(self, env: gym.Env, seed: int) -> None:
        """Start an episode in `env`, which has just been reset.

        Raises:
            UserError: the behaviour does not work in this environment.
        """

    @abstractmethod
    def act(self, observation: Any) -> Any:
        """Action for `observation`, an element of the environment's action space."""

    def replace_last(self, action: Any) -> None:
        """The environment received `action` instead of the one `act` returned last; by default nothing changes."""
        return

    def rewarded(self, reward: float) -> None:
        """What the last action brought; by default nobody listens."""
        return None
