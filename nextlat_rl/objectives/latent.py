"""Parts of losses on rolled-out beliefs: where roll-outs start, and the divergence of the heads."""

import torch
from torch import Tensor

from nextlat_rl.models.nextlat import NextLat, TransitionParams
from nextlat_rl.objectives.config import ObjectiveConfig
from nextlat_rl.objectives.forward import Forward
from nextlat_rl.types import Batch, BatchIndex


def rollout_starts(may_start: Tensor, count: int, generator: torch.Generator) -> BatchIndex:
    """Rows and columns `[S]` of up to `count` random positions among those where `may_start: [B, L]` is true."""
    candidates = may_start.flatten().nonzero().squeeze(1)
    chosen = candidates[random_subset(candidates.numel(), count, generator).to(candidates.device)]
    return chosen // may_start.shape[1], chosen % may_start.shape[1]


def random_subset(total: int, count: int, generator: torch.Generator) -> Tensor:
    """Up to `count` different numbers below `total`, in random order."""
    return torch.randperm(total, generator=generator)[:count]


def head_kl(
    model: NextLat, batch: Batch, out: Forward, at: BatchIndex, belief: Tensor, config: ObjectiveConfig
) -> Tensor:
    """KL between the heads' distributions given the true beliefs at `at` (R positions) and given `belief: [*, R, D]`.

    The sum over the policy, the value, and the transition of the action that was taken, where there was one;
    `[*, R]`. The heads' own weights are frozen.
    """

    def target(parameters: Tensor) -> Tensor:
        chosen = parameters.detach()[at]
        return chosen.expand(*belief.shape[:-2], *chosen.shape)

    true = TransitionParams(
        target(out.transition.end),
        target(out.transition.reward),
        {name: target(parameters) for name, parameters in out.transition.observation.items()},
    )
    with model.frozen_heads():
        predicted = model.transition(model.after(belief, target(out.action_embedding)))
        policy = model.action.kl(target(out.policy), model.action.head(belief))
        value = model.value.kl(target(out.value), model.value.head(belief))
        observation = config.observation_weight * model.observation_kl(true, predicted)
        transition = model.reward_and_end_kl(true, predicted) + observation
    return torch.where(batch.has_action[at], policy + transition, 0.0) + config.value_weight * value
