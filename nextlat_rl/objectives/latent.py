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


def code_step(model: NextLat, batch: Batch, out: Forward, belief: Tensor, at: BatchIndex) -> Tensor:
    """emb(x_t) `[*R, D + N]` in code, as a roll-out reads it that was at `belief: [*R, D + N]` the step before.

    The code is that of the data, what it decodes to depends on the belief, as in a dream: the dynamics then learns to
    follow its own roll-outs. Of the weights it trains `read_code` alone.

    Args:
        model: the network.
        batch: the windows.
        out: the trunk's pass over them.
        belief: `[*R, D + N]`, passes no gradient on.
        at: positions `[*R]` of x_t, other than column 0.
    """
    row, column = at
    with torch.no_grad():
        action = out.previous_action_embedding[at]
        features = model.decode(model.after(belief, action), out.code[row, column - 1])
    observation = {name: batch.observation[name][at] for name in model.followed}
    return model.embed_code_step(action.detach(), features, observation)
