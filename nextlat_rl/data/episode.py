"""An episode as an environment gave it."""

from dataclasses import dataclass, field
from typing import Any

from nextlat_rl.errors import UserError


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


def check_episode(index: int, episode: Episode) -> None:
    """Raise UserError, naming the episode by its index, unless it has T+1 observations and T > 0 of all else."""
    steps = len(episode.rewards)
    lengths = (len(episode.actions), len(episode.terminations), len(episode.truncations))
    if steps == 0 or len(episode.observations) != steps + 1 or any(length != steps for length in lengths):
        raise UserError(
            f"episode {index} has {len(episode.observations)} observations, {lengths[0]} actions, {steps} rewards, "
            f"{lengths[1]} terminations and {lengths[2]} truncations: expected T+1 and four times T, T > 0"
        )
