"""An episode as an environment gave it."""

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Episode:
    """T transitions: T + 1 observations, and T actions, rewards and flags, all as elements of the environment's spaces.

    Attributes:
        seed: what the environment was reset with, if known.
        behaviour: what chose the actions, if known.
        terminations: whether the action ended the episode for good.
        truncations: whether the episode was cut after the action.
    """

    seed: int | None = None
    behaviour: str | None = None
    observations: list[Any] = field(default_factory=list)
    actions: list[Any] = field(default_factory=list)
    rewards: list[float] = field(default_factory=list)
    terminations: list[bool] = field(default_factory=list)
    truncations: list[bool] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.actions)
