"""Parts of losses on rolled-out beliefs: random positions, and the divergence of the heads."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from nextlat_rl.models.answer import observation_kl, reward_and_end_kl
from nextlat_rl.models.nextlat import NextLat
from nextlat_rl.models.transition import TransitionParams
from nextlat_rl.objectives.config import ObjectiveConfig
from nextlat_rl.objectives.forward import Forward
from nextlat_rl.types import Batch, BatchIndex, taken_columns


def random_positions(among: Tensor, count: int, generator: torch.Generator) -> BatchIndex:
    """Rows and columns `[S]` of up to `count` random positions among those where `among: [B, L]` is true."""
    candidates = among.flatten().nonzero().squeeze(1)
    chosen = candidates[random_subset(candidates.numel(), count, generator).to(candidates.device)]
    return chosen // among.shape[1], chosen % among.shape[1]


def random_subset(total: int, count: int, generator: torch.Generator) -> Tensor:
    """Up to `count` different numbers below `total`, in random order."""
    return torch.randperm(total, generator=generator)[:count]


@dataclass
class Targets:
    """What the trunk and the code's encoder say of positions of any batch shape, without gradients."""

    belief: Tensor  # [*B, D + N] h_t
    action_embedding: Tensor  # [*B, D] emb(a_t)
    code: Tensor  # [*B, G] z_t
    has_action: Tensor  # [*B] bool

    def at(self, index: Tensor | BatchIndex) -> "Targets":
        """Those at R of the positions."""
        return Targets(self.belief[index], self.action_embedding[index], self.code[index], self.has_action[index])


def targets(batch: Batch, out: Forward) -> Targets:
    """Those of a whole batch, `[B, L]`."""
    return Targets(out.belief.detach(), out.action_embedding.detach(), out.code, batch.has_action)


def rollout_losses(
    model: NextLat, rolled: Tensor, true: Targets, count: int, config: ObjectiveConfig, generator: torch.Generator
) -> dict[str, Tensor]:
    """Smooth-L1 and KL between beliefs of roll-outs and the true ones, `latent` and `kl`, as unweighted scalars.

    The heads cost more than the dynamics, so the KL's mean is estimated on a random subset.

    Args:
        model: the network.
        rolled: `[K, R, D + N]`, grounded and in code; the latter's losses are `latent_code` and `kl_code`.
        true: of the R positions; 0 of them give losses of 0.
        count: size of the subset.
        config: weights inside the KL.
        generator: draws the subset.
    """
    smooth_l1 = F.smooth_l1_loss(rolled, true.belief.expand_as(rolled), reduction="none").mean(2)
    chosen = random_subset(rolled.shape[1], count, generator).to(rolled.device)
    kl = head_kl(model, true.at(chosen), taken_columns(rolled, chosen), config)
    return {
        f"{name}{kind}": loss.sum() / max(loss.numel(), 1)
        for name, losses in (("latent", smooth_l1), ("kl", kl))
        for kind, loss in zip(("", "_code"), losses, strict=False)
    }


def head_kl(model: NextLat, true: Targets, belief: Tensor, config: ObjectiveConfig) -> Tensor:
    """KL between the heads' distributions given the true beliefs at R positions and given `belief: [*K, R, D + N]`.

    The sum over the policy, the value, and the code and the answer given it of the action that was taken, where there
    was one; `[*K, R]`. The heads' own weights are frozen.
    """

    def expand(x: Tensor) -> Tensor:
        return x.expand(*belief.shape[:-2], *x.shape)

    def answer(belief: Tensor) -> tuple[TransitionParams, Tensor]:
        afterstate = model.after(belief, expand(true.action_embedding))
        return model.transition(afterstate, code), model.code_prior(afterstate, code)

    code, of = expand(true.code), expand(true.belief)
    with torch.no_grad():
        true_policy, true_value, (true_transition, true_prior) = model.action.head(of), model.value.head(of), answer(of)
    with model.frozen_heads():
        transition, prior = answer(belief)
        policy = model.action.kl(true_policy, model.action.head(belief))
        value = model.value.kl(true_value, model.value.head(belief))
        observation = observation_kl(model, true_transition, transition)
        if model.code is not None:
            observation = observation + model.code.kl(true_prior, prior)
        following = reward_and_end_kl(model, true_transition, transition) + config.observation_weight * observation
    return torch.where(true.has_action, policy + following, 0.0) + config.value_weight * value


@torch.no_grad()
def code_steps(model: NextLat, batch: Batch, out: Forward, at: BatchIndex) -> Tensor:
    """emb(x_t) `[*R, D + N]` in code at positions `at: [*R]` other than column 0; without gradients."""
    row, column = at
    observation = {name: batch.observation[name][at] for name in model.followed}
    return model.embed_code_step(out.previous_action_embedding[at], out.code[row, column - 1], observation)


@torch.no_grad()
def code_windows(model: NextLat, batch: Batch, previous: Tensor, code: Tensor) -> Tensor:
    """emb(x_t) in code at all positions, `[B, L, D + N]`; column 0 is meaningless.

    Args:
        model: the network.
        batch: the windows.
        previous: `[B, L, D]` emb(a_{t-1}).
        code: `[B, L, G]` z_t.
    """
    observation = {name: batch.observation[name] for name in model.followed}
    return model.embed_code_step(previous, code.roll(1, 1), observation)
