"""How much each token counts in the token losses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import gymnasium as gym
import torch
from torch import Tensor

from nextlat_rl.errors import UserError

if TYPE_CHECKING:
    from nextlat_rl.data.batches import Batch
    from nextlat_rl.models.nextlat import NextLat


def token_weights(model: NextLat, batch: Batch, prompt_weight: float, setting: str = "prompt_weight") -> Tensor:
    """How much x_{t+1}, the token that a_t begins, counts in the token losses, `[B, L]`; 0 where there is no a_t.

    `setting` is the name of the one that says `prompt_weight`.

    Raises:
        UserError: prompts are to weigh less, and the action space has no last action to tell them by.

    """
    weight = batch.has_action.float()
    if prompt_weight == 1:
        return weight
    space = model.spaces.action
    if not isinstance(space, gym.spaces.Discrete):
        raise UserError(f"objective.{setting}={prompt_weight} needs Discrete actions, and these are {space}")
    return torch.where(batch.action == space.n - 1, prompt_weight * weight, weight)


def weighted_mean(x: Tensor, weight: Tensor) -> Tensor:
    """Mean of `x` with weights (or a mask), blind to what has none; 0 if nothing has any."""
    weight = weight.to(x.dtype)
    return (torch.where(weight > 0, x, 0.0) * weight).sum() / weight.sum().clamp_min(1e-6)
