"""What packages hand to each other: batches, steps and spaces."""

from dataclasses import dataclass, fields
from typing import Any

import gymnasium as gym
import torch
import torch.nn.functional as F
from torch import Tensor

BatchIndex = tuple[Tensor, Tensor]  # rows and columns `[R]` of a batch


@dataclass(frozen=True)
class Batch:
    """B windows of L rows. Where a mask is False, the entry it covers is padding.

    Column t is the token (previous_action, previous_reward, observation) = (a_{t-1}, r_{t-1}, o_t) and its outcome.
    Columns of one row of the batch belong to one episode if and only if their `segment` is equal.
    """

    observation: dict[str, Tensor]  # leaf -> [B, L, *storage_shape], o_t
    action: Tensor  # [B, L, *storage_shape], a_t, zeros where not has_action
    reward: Tensor  # [B, L] float32, r_t, zero where not has_action
    terminated: Tensor  # [B, L] bool, whether a_t ended the episode for good
    previous_action: Tensor  # [B, L, *storage_shape], a_{t-1}, zeros where is_first; known in column 0 too
    previous_reward: Tensor  # [B, L] float32, r_{t-1}, zero where is_first
    is_first: Tensor  # [B, L] bool, o_t is the first of its episode
    segment: Tensor  # [B, L] int64, see above; -1 where not valid
    has_action: Tensor  # [B, L] bool, a_t, r_t and terminated_t are real
    has_next: Tensor  # [B, L] bool, has_action and column t+1 holds o_{t+1}
    valid: Tensor  # [B, L] bool, the column holds a row of the store; always so in packed batches

    def to(self, device: torch.device | str) -> "Batch":
        """The batch on a device."""
        moved = {field.name: getattr(self, field.name) for field in fields(self)}
        observation = {leaf: value.to(device, non_blocking=True) for leaf, value in moved.pop("observation").items()}
        return Batch(observation, **{name: value.to(device, non_blocking=True) for name, value in moved.items()})

    def part(self, first: int, count: int) -> "Batch":
        """Every `count`-th window, from number `first` on."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        observation = {leaf: value[first::count] for leaf, value in values.pop("observation").items()}
        return Batch(observation, **{name: value[first::count] for name, value in values.items()})


@dataclass
class Step:
    """A batch of x_t = (a_{t-1}, r_{t-1}, o_t), in the codecs' stored form."""

    observation: dict[str, Tensor]  # leaf -> [B, *leaf]
    previous_action: Tensor  # [B, *action], ignored where is_first
    previous_reward: Tensor  # [B], ignored where is_first
    is_first: Tensor  # [B] bool


@dataclass(frozen=True)
class Spaces:
    """The spaces that a model is built for, and the statistics of their codecs (JSON-serialisable)."""

    observation: gym.Space[Any]
    action: gym.Space[Any]
    statistics: dict[str, Any]  # "observation": leaf -> statistics, "action", "reward", "value"


def taken(x: Tensor, at: BatchIndex) -> Tensor:
    """`x[at]`, `[*R, D]`, of `x: [B, L, D]` at rows and columns that broadcast to `[*R]`.

    The gradient of `x[at]` itself adds up in whatever order threads come to it, and takes longer.
    """
    row, column = at
    return F.embedding(row * x.shape[1] + column, x.flatten(0, 1))


def taken_columns(x: Tensor, columns: Tensor) -> Tensor:
    """`x[:, columns]`, `[B, R, D]`, of `x: [B, L, D]`; see `taken`."""
    return taken(x, (torch.arange(len(x), device=x.device)[:, None], columns))
