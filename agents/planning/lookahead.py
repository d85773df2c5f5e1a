"""Batched sequence look-ahead: many action sequences at once, one network call for each step of depth.

A tree search walks one path per simulation and calls the network once for each. This search goes level by level
instead: from all (node, action) pairs of a level it keeps the `width` most promising and evaluates them in one call.
Promising means a Gumbel top-k of the policy's prior over whole sequences, drawn without replacement (stochastic beam
search, Kool et al. 2019, arXiv 1903.06059), tilted by the return and value that a sequence has reached so far. On the
way back each node's value becomes that of the improved policy over its actions, values completed as in Gumbel MuZero.
Shapes depend on the settings alone.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import torch
from torch import Tensor

from nextlat_rl.agents.planning.model import Plan, PlanningModel, Prediction, gumbel, mixed_value

_NEVER = -1e9


@dataclass(frozen=True)
class LookaheadConfig:
    """How far and how wide to look.

    Attributes:
        depth: imagined steps ahead.
        width: sequences kept at each step.
        sharpness: nats of preference for a difference of the whole value range; 0 follows the prior, more trusts the
            imagined values more.

    """

    depth: int = 8
    width: int = 16
    sharpness: float = 20.0

    def sizes(self, actions: int) -> list[int]:
        """How many sequences there are at each depth, the root's one included."""
        sizes = [1]
        for _ in range(self.depth):
            sizes.append(min(self.width, sizes[-1] * actions))
        return sizes

    def noise(self, model: PlanningModel) -> list[int]:
        """How many uniforms each depth takes, in turn for the choice of its sequences and for the model."""
        sizes = self.sizes(model.actions)
        pairs = itertools.pairwise(sizes)
        return [count for before, now in pairs for count in (before * model.actions, now * model.noise)]


@dataclass
class Level:
    """The N sequences of one depth; `prediction` holds `[B, N, ...]` tensors."""

    prediction: Prediction
    parent: Tensor  # [B, N] index into the level above
    action: Tensor  # [B, N]
    log_prior: Tensor  # [B, N] of the whole sequence, less its normaliser
    perturbed: Tensor  # [B, N] log_prior plus Gumbel noise
    reached: Tensor  # [B, N] discounted return so far plus the discounted value
    weight: Tensor  # [B, N] product of the discounts so far
    collected: Tensor  # [B, N] discounted return so far


def lookahead(
    model: PlanningModel, belief: Tensor, uniform: Tensor, config: LookaheadConfig, greedy: bool
) -> tuple[Plan, list[Level]]:
    """Decide for `belief: [B, D]` with `uniform: [B, sum(config.noise(model))]` in [0, 1).

    Args:
        model: the world.
        belief: the roots.
        uniform: noise of the sequences and of the model.
        config: the size of the search.
        greedy: take the best of the improved policy instead of drawing from it.

    """
    scale = config.sharpness / model.value_range
    parts = uniform.split(config.noise(model), dim=1)
    levels = [_root(model, belief)]
    for count, for_choice, for_model in zip(config.sizes(model.actions)[1:], parts[::2], parts[1::2], strict=True):
        levels.append(_deepen(model, levels[-1], count, for_choice, for_model, scale))
    first_noise = gumbel(parts[0])
    return _back_up(levels, scale, torch.zeros_like(first_noise) if greedy else first_noise), levels


def _root(model: PlanningModel, belief: Tensor) -> Level:
    logits, value = model.root(belief)
    zero = torch.zeros_like(value)[:, None]
    prediction = Prediction(belief[:, None], zero, zero + 1, logits[:, None], value[:, None])
    index = torch.zeros_like(zero, dtype=torch.long)
    return Level(prediction, index, index, zero, zero, value[:, None], zero + 1, zero)


def _deepen(
    model: PlanningModel, level: Level, count: int, for_choice: Tensor, for_model: Tensor, scale: float
) -> Level:
    """The `count` most promising continuations by one action, evaluated."""
    batch, _, actions = level.prediction.logits.shape
    log_prior = level.log_prior[..., None] + level.prediction.logits.log_softmax(-1)
    perturbed = _condition(log_prior + gumbel(for_choice.view(log_prior.shape)), level.perturbed)
    score = perturbed + scale * level.reached[..., None]
    chosen = score.flatten(1).topk(count, dim=1).indices  # [B, count]
    parent, action = chosen // actions, chosen % actions
    above = level.prediction.belief.gather(1, parent[..., None].expand(-1, -1, level.prediction.belief.shape[-1]))
    flat = model.step(above.flatten(0, 1), action.flatten(), for_model.reshape(batch * count, model.noise))
    prediction = Prediction(*(part.unflatten(0, (batch, count)) for part in flat))
    weight = level.weight.gather(1, parent)
    collected = level.collected.gather(1, parent) + weight * prediction.reward
    weight = weight * prediction.discount
    return Level(
        prediction=prediction,
        parent=parent,
        action=action,
        log_prior=log_prior.flatten(1).gather(1, chosen),
        perturbed=perturbed.flatten(1).gather(1, chosen),
        reached=collected + weight * prediction.value,
        weight=weight,
        collected=collected,
    )


def _condition(noisy: Tensor, maximum: Tensor) -> Tensor:
    """Shift perturbed log-probabilities `[B, N, A]` so that the largest over the actions is `maximum: [B, N]`.

    Children drawn so are a Gumbel top-k over whole sequences (arXiv 1903.06059, appendix B.3).
    """
    top = noisy.amax(-1, keepdim=True)
    gap = maximum[..., None] - noisy + torch.log1p(-torch.exp(noisy - top))
    return maximum[..., None] - gap.clamp_min(0) - torch.log1p(torch.exp(-gap.abs()))


def _back_up(levels: list[Level], scale: float, first_noise: Tensor) -> Plan:
    """Values from the leaves to the root, and the decision there."""
    value = levels[-1].prediction.value
    visits = torch.ones_like(value)
    choices, slots = [], []
    for above, level in zip(levels[-2::-1], levels[:0:-1], strict=True):
        logits = above.prediction.logits
        batch, nodes, actions = logits.shape
        at = level.parent * actions + level.action
        searched = level.prediction.reward + level.prediction.discount * value
        empty = torch.zeros(batch, nodes * actions, device=value.device, dtype=value.dtype)
        q = empty.scatter(1, at, searched).view(logits.shape)
        count = empty.scatter(1, at, visits).view(logits.shape)
        mixed = mixed_value(above.prediction.value, q, count, logits)
        q = torch.where(count > 0, q, mixed[..., None])
        improved = logits.log_softmax(-1) + scale * q
        weights = improved.softmax(-1)
        value = torch.where(count.sum(-1) > 0, (weights * q).sum(-1), above.prediction.value)
        visits = 1 + count.sum(-1)
        if nodes == 1:
            improved = improved + first_noise[:, None]
        choices.append(torch.where(count > 0, improved, _NEVER).argmax(-1))
        slot = torch.full_like(empty, -1, dtype=torch.long)
        numbers = torch.arange(level.parent.shape[1], device=value.device).expand_as(level.parent)
        slots.append(slot.scatter(1, at, numbers).view(logits.shape))
    sequence = _best_line(choices[::-1], slots[::-1])
    return Plan(sequence[:, 0], weights[:, 0], q[:, 0], count[:, 0], value[:, 0], sequence)


def _best_line(choices: list[Tensor], slots: list[Tensor]) -> Tensor:
    """Follow the best choice `[B, N]` of every node down through the children's `slots: [B, N, A]`; `[B, K]`."""
    node = torch.zeros_like(choices[0][:, :1])
    line = []
    for choice, slot in zip(choices, slots, strict=True):
        action = choice.gather(1, node.clamp_min(0))
        action = torch.where(node >= 0, action, -1)
        below = slot.flatten(1).gather(1, (node * slot.shape[-1] + action).clamp_min(0))
        node = torch.where(action >= 0, below, -1)
        line.append(torch.where(node >= 0, action, -1))
    return torch.cat(line, dim=1)
