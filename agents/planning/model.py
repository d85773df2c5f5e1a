"""The one interface between a planner and the world it plans in."""

from typing import NamedTuple, Protocol

import torch
from torch import Tensor


class Prediction(NamedTuple):
    """Predictions at N beliefs, and of the imagined steps that led there."""

    belief: Tensor  # [N, D]
    reward: Tensor  # [N] of the step
    discount: Tensor  # [N] of what comes after: gamma times the probability that the episode goes on
    logits: Tensor  # [N, A] policy
    value: Tensor  # [N]


class PlanningModel(Protocol):
    """A world with A discrete actions, seen from inside; any number of rows at once, each on its own.

    Attributes:
        actions: A.
        num_uniforms: how many uniforms in [0, 1) `step` takes for each row; 0 for a deterministic model.
        value_range: the spread of returns; planners measure differences of value in it.
    """

    actions: int
    num_uniforms: int
    value_range: float

    def root(self, belief: Tensor) -> tuple[Tensor, Tensor]:
        """Policy logits `[N, A]` and values `[N]` of real beliefs `[N, D]`."""

    def step(self, belief: Tensor, action: Tensor, noise: Tensor) -> Prediction:
        """One imagined step from `belief: [N, D]` by `action: [N]` int64 with `noise: [N, num_uniforms]`."""


class Plan(NamedTuple):
    """A decision for each of B roots."""

    action: Tensor  # [B] int64
    weights: Tensor  # [B, A] the improved policy
    q: Tensor  # [B, A] action values, completed where nothing was searched
    visits: Tensor  # [B, A] how many simulations, or sequences kept, start with each
    value: Tensor  # [B] of the root under the improved policy
    sequence: Tensor  # [B, K] int64, the best line found, from `action` on; -1 after its end


def mixed_value(value: Tensor, q: Tensor, visits: Tensor, logits: Tensor) -> Tensor:
    """What to assume of an action not tried, `[N]`: the model's own value and the tried actions' mean, mixed.

    Gumbel MuZero (Danihelka et al. 2022, eq. 33).

    Args:
        value: `[N]`.
        q: `[N, A]`, read where visited.
        visits: `[N, A]`.
        logits: `[N, A]` of the prior.
    """
    tried = visits > 0
    prior = torch.where(tried, logits.softmax(-1).clamp_min(torch.finfo(q.dtype).tiny), 0.0)
    mean = (prior * torch.where(tried, q, 0.0)).sum(-1) / prior.sum(-1).clamp_min(torch.finfo(q.dtype).tiny)
    count = visits.sum(-1)
    return (value + count * mean) / (1 + count)


def gumbel(uniform: Tensor) -> Tensor:
    """Standard Gumbel noise from uniforms in [0, 1)."""
    return -torch.log(-torch.log(uniform.clamp(1e-7, 1 - 1e-7)))
