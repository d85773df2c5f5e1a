"""Interface of a behaviour: it chooses the actions of one episode after the other."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import gymnasium as gym

from nextlat_rl.errors import UserError

Builder = Callable[[str, str], "Behaviour"]
"""Builds a behaviour from an environment's full id and an argument; raises UserError where one of them does not fit."""


class Behaviour(ABC):
    """Chooses actions in one environment instance.

    For each episode `reset` is called once, after the environment was reset, then `act` once a step. A behaviour draws
    any randomness from a generator seeded in `reset`, so an episode depends on its seed alone.

    Attributes:
        name: as data sets record it.
        environments: of an expert, the beginnings of the ids that it plays.
    """

    name: str = ""
    environments: tuple[str, ...] = ()

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
        """The environment received `action` instead of the one that `act` returned last; ignored by default."""
        return None

    def rewarded(self, reward: float) -> None:
        """Reward of the last action; ignored by default."""
        return None


def without_argument(behaviour: type[Behaviour]) -> Builder:
    """Builder of a behaviour that takes no argument and adapts to the environment in `reset`."""

    def build(env_id: str, argument: str) -> Behaviour:
        if argument:
            raise UserError(f"behaviour '{behaviour.name}' takes no argument, got '{argument}'")
        return behaviour()

    return build


def env_name(env: gym.Env) -> str:
    """Name of an environment for messages."""
    return env.spec.id if env.spec is not None else type(env.unwrapped).__name__
