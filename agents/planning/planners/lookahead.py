"""Batched sequence look-ahead: many action sequences at once, one network call for each step of depth.

A tree search walks one path per simulation and calls the network once for each. This search goes level by level
instead: from all (node, action) pairs of a level it keeps the `width` most promising and evaluates them in one call.
Promising means a Gumbel top-k of the policy's prior over whole sequences, drawn without replacement (stochastic beam
search, Kool et al. 2019, arXiv 1903.06059), tilted by the return and value that a sequence has reached so far. On the
way back each node's value becomes that of its improved policy, as in Gumbel MuZero (Danihelka et al. 2022).
Shapes depend on the settings alone.
"""

import itertools
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from nextlat_rl.agents.planning.config import PlannerConfig
from nextlat_rl.agents.planning.imagined import ImaginedModel
from nextlat_rl.agents.planning.model import Plan, PlanningModel, Prediction, gumbel
from nextlat_rl.agents.planning.planner import DiscretePlanner, Explanation, keys
from nextlat_rl.imagination import RolloutMode
from nextlat_rl.noise import uniform
from nextlat_rl.settings import at_least, literals
from nextlat_rl.world_model import WorldModel


@dataclass(kw_only=True)
class LookaheadConfig(PlannerConfig):
    """How far and how wide to look.

    Attributes:
        rollout: `open_loop` imagines the expected next belief, `argmax` the most likely observation, `sample` a drawn
            one, which prices information.
        depth: imagined steps ahead, at most the world model's trust horizon where that was measured.
        width: sequences kept at each step.
        value_scale: nats of preference for a difference of the whole value range; 0 follows the prior, more trusts the
            imagined values more.
    """

    name: str = "lookahead"
    rollout: RolloutMode = "open_loop"
    depth: int = 8
    width: int = 16
    value_scale: float = 20.0

    def __post_init__(self) -> None:
        literals("planner.", self)
        at_least("planner.", self, 1, "depth", "width")
        at_least("planner.", self, 0, "value_scale")

    def sizes(self, actions: int) -> list[int]:
        """How many sequences there are at each depth, the root's one included."""
        sizes = [1]
        for _ in range(self.depth):
            sizes.append(min(self.width, sizes[-1] * actions))
        return sizes

    def num_uniforms(self, model: PlanningModel) -> list[int]:
        """How many uniforms each depth takes, in turn for the choice of its sequences and for the model."""
        sizes = self.sizes(model.actions)
        pairs = itertools.pairwise(sizes)
        return [count for before, now in pairs for count in (before * model.actions, now * model.num_uniforms)]


@dataclass
class Level:
    """The N sequences of one depth; `prediction` holds `[B, N, ...]` tensors."""

    prediction: Prediction
    log_policy: Tensor  # [B, N, A] the logits, normalised
    parent: Tensor  # [B, N] index into the level above
    action: Tensor  # [B, N]
    log_prior: Tensor  # [B, N] of the whole sequence
    perturbed: Tensor  # [B, N] log_prior plus Gumbel noise
    collected: Tensor  # [B, N] discounted return so far
    weight: Tensor  # [B, N] product of the discounts so far
    reached: Tensor  # [B, N] collected plus the discounted value


def lookahead(
    model: PlanningModel, belief: Tensor, uniform: Tensor, config: LookaheadConfig, greedy: bool
) -> tuple[Plan, list[Level]]:
    """Decide for `belief: [B, D]` with `uniform: [B, sum(config.num_uniforms(model))]` in [0, 1).

    Args:
        model: the world.
        belief: the roots.
        uniform: noise of the sequences and of the model.
        config: the size of the search.
        greedy: take the best of the improved policy instead of drawing from it.
    """
    scale = config.value_scale / model.value_range
    parts = uniform.split(config.num_uniforms(model), dim=1)
    levels = [_root(model, belief)]
    for count, for_choice, for_model in zip(config.sizes(model.actions)[1:], parts[::2], parts[1::2], strict=True):
        levels.append(_deepen(model, levels[-1], count, gumbel(for_choice), for_model, scale))
    value, q, improved = _back_up(levels, scale)
    score = improved if greedy else improved + gumbel(parts[0])
    untried = torch.ones_like(score).scatter(1, levels[1].action, 0.0) > 0
    action = score.masked_fill(untried, -torch.inf).argmax(-1)
    sequence, kept = _lines(levels, action)
    return Plan(action, improved.softmax(-1), q, kept, value, sequence), levels


def _root(model: PlanningModel, belief: Tensor) -> Level:
    logits, value = model.root(belief)
    zero = torch.zeros_like(value)[:, None]
    prediction = Prediction(belief[:, None], zero, zero + 1, logits[:, None], value[:, None])
    index = torch.zeros_like(zero, dtype=torch.long)
    return Level(prediction, logits.log_softmax(-1)[:, None], index, index, zero, zero, zero, zero + 1, value[:, None])


def _deepen(model: PlanningModel, level: Level, count: int, noise: Tensor, for_model: Tensor, scale: float) -> Level:
    """The `count` most promising continuations by one action, evaluated."""
    batch, nodes, actions = level.log_policy.shape
    log_prior = level.log_prior[..., None] + level.log_policy
    perturbed = _condition(log_prior + noise.view(log_prior.shape), level.perturbed[..., None])
    if count == nodes * actions:  # all of them: nothing to choose
        chosen = torch.arange(count, device=noise.device).expand(batch, -1)
    else:
        chosen = (perturbed + scale * level.reached[..., None]).flatten(1).topk(count, dim=1).indices  # [B, count]
    parent, action = chosen // actions, chosen % actions
    # Copies whole rows, where `gather` would look every number up.
    row = parent + nodes * torch.arange(batch, device=noise.device)[:, None]
    above = level.prediction.belief.flatten(0, 1).index_select(0, row.flatten())
    flat = model.step(above, action.flatten(), for_model.reshape(batch * count, model.num_uniforms))
    prediction = Prediction(*(part.unflatten(0, (batch, count)) for part in flat))
    before = level.weight.gather(1, parent)
    collected = level.collected.gather(1, parent) + before * prediction.reward
    weight = before * prediction.discount
    return Level(
        prediction=prediction,
        log_policy=prediction.logits.log_softmax(-1),
        parent=parent,
        action=action,
        log_prior=log_prior.flatten(1).gather(1, chosen),
        perturbed=perturbed.flatten(1).gather(1, chosen),
        collected=collected,
        weight=weight,
        reached=collected + weight * prediction.value,
    )


def _condition(noisy: Tensor, maximum: Tensor) -> Tensor:
    """Shift perturbed log-probabilities `[B, N, A]` so that the largest over the actions is `maximum: [B, N, 1]`.

    Children drawn so are a Gumbel top-k over whole sequences (arXiv 1903.06059, appendix B.3).
    """
    below = torch.log1p(-torch.exp(noisy - noisy.amax(-1, keepdim=True)))
    return maximum - F.softplus(maximum - noisy + below)


def _back_up(levels: list[Level], scale: float) -> tuple[Tensor, Tensor, Tensor]:
    """From the leaves to the root: its value `[B]`, completed action values `[B, A]` and improved logits `[B, A]`.

    An action without a child is worth what the policy as known so far is: the tried actions' values under the prior,
    the node's own value for the rest of the probability.
    """
    value = levels[-1].prediction.value
    for above, level in zip(levels[-2::-1], levels[:0:-1], strict=True):
        prior = above.log_policy
        at = level.parent * prior.shape[-1] + level.action
        searched = level.prediction.reward + level.prediction.discount * value
        unknown = torch.full_like(prior.flatten(1), -torch.inf)
        q = unknown.scatter(1, at, searched).view(prior.shape)
        tried = q > -torch.inf
        weight = prior.exp().masked_fill(~tried, 0.0)
        known = (weight * q.masked_fill(~tried, 0.0)).sum(-1) + (1 - weight.sum(-1)) * above.prediction.value
        q = torch.where(tried, q, known[..., None])
        improved = prior + scale * q
        value = (improved.softmax(-1) * q).sum(-1)
    return value[:, 0], q[:, 0], improved[:, 0]


def _lines(levels: list[Level], action: Tensor) -> tuple[Tensor, Tensor]:
    """The best sequence kept to the end that starts with `action: [B]`, `[B, K]`, and how many start with each.

    Where none was kept the sequence is the action and then -1.
    """
    first = levels[1].action
    for level in levels[2:]:
        first = first.gather(1, level.parent)
    kept = torch.zeros_like(levels[0].log_policy[:, 0]).scatter_add_(1, first, torch.ones_like(levels[-1].reached))
    reached = levels[-1].reached.masked_fill(first != action[:, None], -torch.inf)
    best, node = reached.max(1, keepdim=True)
    line = []
    for level in levels[:0:-1]:
        line.append(level.action.gather(1, node))
        node = level.parent.gather(1, node)
    sequence = torch.cat(line[::-1], dim=1).masked_fill(best == -torch.inf, -1)
    return torch.cat((action[:, None], sequence[:, 1:]), dim=1), kept


class LookaheadPlanner(DiscretePlanner):
    """Batched sequence look-ahead, the whole search one traced function; see `SearchPlanner`."""

    config_class = LookaheadConfig
    steps_setting = "depth"

    def __init__(
        self, world_model: WorldModel, config: LookaheadConfig, *, deterministic: bool = False, seed: int = 0
    ) -> None:
        self.model, self.config, self.seed = ImaginedModel(world_model, config.rollout), config, seed
        self.num_uniforms = sum(config.num_uniforms(self.model))
        self._search = world_model.traced(lambda b, u: tuple(lookahead(self.model, b, u, config, deterministic)[0]))

    def plan(self, belief: Tensor, episode: Tensor, step: Tensor) -> Plan:
        """See `DiscretePlanner.plan`."""
        return Plan(*self._search(belief, uniform(self.seed, episode, step, self.num_uniforms)))

    @torch.no_grad()
    def explain(self, belief: Tensor, episode: int, step: int, count: int) -> Explanation:
        """See `SearchPlanner.explain`; with the imagined return of every sequence."""
        found = super().explain(belief, episode, step, count)
        assert found.plan is not None
        noise = uniform(self.seed, *keys(belief, episode, step), self.num_uniforms)
        levels = lookahead(self.model, belief, noise, self.config, greedy=True)[1]
        sequence = found.plan.sequence[0]
        lines, found.returns = _ranked(levels, sequence[sequence >= 0], count)
        found.lines = [self.model.table[line] for line in lines]
        return found


def _ranked(levels: list[Level], chosen: Tensor, count: int) -> tuple[list[Tensor], list[float | None]]:
    """The chosen sequence, then the best others by the return they reached."""
    last = levels[-1]
    node = torch.arange(last.action.shape[1], device=last.action.device)
    columns = []
    for level in levels[:0:-1]:
        columns.append(level.action[0, node])
        node = level.parent[0, node]
    sequences = torch.stack(columns[::-1], dim=1)  # [N, K]
    order = last.reached[0].argsort(descending=True)
    best: list[tuple[Tensor, float | None]] = [(sequences[i], float(last.reached[0, i])) for i in order]
    kept = [pair for pair in best if torch.equal(pair[0], chosen)] or [(chosen, None)]
    kept += [pair for pair in best if not torch.equal(pair[0], chosen)][: count - 1]
    return [line for line, _ in kept], [reached for _, reached in kept]


PLANNER = LookaheadPlanner
