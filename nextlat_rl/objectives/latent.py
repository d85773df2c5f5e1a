"""Parts of losses on rolled-out beliefs: random positions, and the divergence of the heads."""

import torch
from torch import Tensor

from nextlat_rl.models.answer import observation_kl, reward_and_end_kl
from nextlat_rl.models.nextlat import NextLat
from nextlat_rl.objectives.config import ObjectiveConfig
from nextlat_rl.objectives.forward import Forward
from nextlat_rl.types import Batch, BatchIndex


def random_positions(among: Tensor, count: int, generator: torch.Generator) -> BatchIndex:
    """Rows and columns `[S]` of up to `count` random positions among those where `among: [B, L]` is true."""
    candidates = among.flatten().nonzero().squeeze(1)
    chosen = candidates[random_subset(candidates.numel(), count, generator).to(candidates.device)]
    return chosen // among.shape[1], chosen % among.shape[1]


def random_subset(total: int, count: int, generator: torch.Generator) -> Tensor:
    """Up to `count` different numbers below `total`, in random order."""
    return torch.randperm(total, generator=generator)[:count]


def head_kl(
    model: NextLat, batch: Batch, out: Forward, at: BatchIndex, belief: Tensor, config: ObjectiveConfig
) -> Tensor:
    """KL between the heads' distributions given the true beliefs at `at` (R positions) and given `belief: [*, R, D]`.

    The sum over the policy, the value, and the code and the answer given it of the action that was taken, where there
    was one; `[*, R]`. The heads' own weights are frozen.
    """

    def target(parameters: Tensor) -> Tensor:
        chosen = parameters.detach()[at]
        return chosen.expand(*belief.shape[:-2], *chosen.shape)

    code = target(out.code)
    with torch.no_grad():
        afterstate = target(out.afterstate)
        true, prior = model.transition(afterstate, code), model.code_prior(afterstate, code)
    with model.frozen_heads():
        afterstate = model.after(belief, target(out.action_embedding))
        predicted = model.transition(afterstate, code)
        policy = model.action.kl(target(out.policy), model.action.head(belief))
        value = model.value.kl(target(out.value), model.value.head(belief))
        observation = observation_kl(model, true, predicted)
        if model.code is not None:
            observation = observation + model.code.kl(prior, model.code_prior(afterstate, code))
        transition = reward_and_end_kl(model, true, predicted) + config.observation_weight * observation
    return torch.where(batch.has_action[at], policy + transition, 0.0) + config.value_weight * value


@torch.no_grad()
def code_steps(model: NextLat, batch: Batch, out: Forward, at: BatchIndex) -> Tensor:
    """emb(x_t) `[*R, D + N]` in code at positions `at: [*R]` other than column 0; without gradients."""
    row, column = at
    observation = {name: batch.observation[name][at] for name in model.followed}
    return model.embed_code_step(out.previous_action_embedding[at], out.code[row, column - 1], observation)


def code_windows(model: NextLat, batch: Batch, out: Forward) -> Tensor:
    """emb(x_t) in code at all positions, `[B, L, D + N]`; column 0 is meaningless."""
    rows, columns = batch.has_next.shape
    column = torch.arange(columns, device=out.belief.device).expand(rows, -1)
    row = torch.arange(rows, device=out.belief.device)[:, None].expand(-1, columns)
    return code_steps(model, batch, out, (row, column))
