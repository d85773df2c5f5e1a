"""How much each token counts in the token losses."""

import gymnasium as gym
import torch
from torch import Tensor

from nextlat_rl.errors import UserError
from nextlat_rl.models.nextlat import NextLat
from nextlat_rl.types import Batch


def token_weights(model: NextLat, batch: Batch, prompt_weight: float) -> Tensor:
    """Weight in the token losses of x_{t+1}, the token that a_t begins, `[B, L]`; 0 where there is no a_t.

    Raises:
        UserError: prompts are to weigh less, but the action space has no last action that marks them.
    """
    weight = batch.has_action.float()
    if prompt_weight == 1:
        return weight
    return torch.where(prompts(model, batch, f"prompt_weight={prompt_weight}"), prompt_weight * weight, weight)


def prompts(model: NextLat, batch: Batch, setting: str) -> Tensor:
    """Where x_{t+1} is a prompt's token, marked by its action, the last of a Discrete space; `[B, L]` bool.

    Raises:
        UserError: there is no such action; the message names `setting`.
    """
    space = model.spaces.action
    if not isinstance(space, gym.spaces.Discrete):
        raise UserError(f"objective.{setting} needs Discrete actions, and these are {space}")
    return batch.action == space.n - 1


def weighted_mean(x: Tensor, weight: Tensor) -> Tensor:
    """Mean of `x` with weights (or a mask); values of weight 0 may be NaN. 0 if no weight is above 0."""
    weight = weight.to(x.dtype)
    return (torch.where(weight > 0, x, 0.0) * weight).sum() / weight.sum().clamp_min(1e-6)
