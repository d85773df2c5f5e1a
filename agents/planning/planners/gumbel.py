"""Gumbel MuZero tree search (Danihelka et al. 2022), one network call per simulation: the reference to compare with.

Batched over roots, struct-of-arrays, the algorithm and defaults of mctx's `gumbel_muzero_policy`.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from nextlat_rl.agents.planning.config import PlannerConfig
from nextlat_rl.agents.planning.imagined import ImaginedModel
from nextlat_rl.agents.planning.model import Plan, PlanningModel, Prediction, gumbel, mixed_value
from nextlat_rl.agents.planning.planner import DiscretePlanner
from nextlat_rl.imagination import RolloutMode
from nextlat_rl.noise import uniform
from nextlat_rl.settings import at_least, literals
from nextlat_rl.world_model import WorldModel

_NEVER = -1e9


@dataclass(kw_only=True)
class GumbelConfig(PlannerConfig):
    """Size of the search.

    Attributes:
        rollout: `sample` draws the world's answers, which prices information; `argmax` takes the most likely ones.
        num_simulations: network calls for each decision.
        max_considered_actions: how many root actions sequential halving starts with.
        value_scale: weight of the values against the prior's logits.
        visit_offset: added to the visits of the most visited action before that weight is taken.
    """

    name: str = "gumbel"
    rollout: RolloutMode = "sample"
    num_simulations: int = 64
    max_considered_actions: int = 16
    value_scale: float = 0.1
    visit_offset: float = 50.0

    def __post_init__(self) -> None:
        literals("planner.", self)
        at_least("planner.", self, 1, "num_simulations", "max_considered_actions")
        at_least("planner.", self, 0, "value_scale", "visit_offset")


class _Tree:
    """N nodes for each of B roots; node 0 is the root. Children are `[B, N, A]`, -1 where there is none."""

    def __init__(self, belief: Tensor, logits: Tensor, value: Tensor, nodes: int) -> None:
        batch, actions = logits.shape

        def zeros(*shape: int) -> Tensor:
            return torch.zeros(batch, nodes, *shape, dtype=value.dtype, device=value.device)

        self.belief, self.logits = zeros(belief.shape[-1]), zeros(actions)
        self.raw_value, self.value, self.node_visits = zeros(), zeros(), zeros()
        self.reward, self.discount, self.visits, self.child_value = (zeros(actions) for _ in range(4))
        self.child = zeros(actions).long() - 1
        self.parent, self.parent_action = zeros().long() - 1, zeros().long() - 1
        self.rows = torch.arange(batch, device=value.device)
        self.belief[:, 0], self.logits[:, 0] = belief, logits
        self.raw_value[:, 0] = self.value[:, 0] = value
        self.node_visits[:, 0] = 1

    def q(self, node: Tensor) -> Tensor:
        """Completed action values `[B, A]` of `node: [B]`."""
        at = (self.rows, node)
        q = self.reward[at] + self.discount[at] * self.child_value[at]
        mixed = mixed_value(self.raw_value[at], q, self.visits[at], self.logits[at])
        return torch.where(self.visits[at] > 0, q, mixed[:, None])

    def preference(self, node: Tensor, config: GumbelConfig) -> Tensor:
        """sigma(completed q) of Gumbel MuZero, rescaled to the node's own range, `[B, A]`."""
        q = self.q(node)
        low, high = q.amin(-1, keepdim=True), q.amax(-1, keepdim=True)
        scale = config.visit_offset + self.visits[self.rows, node].amax(-1, keepdim=True)
        return scale * config.value_scale * (q - low) / (high - low).clamp_min(1e-8)


def gumbel_tree_search(
    model: PlanningModel, belief: Tensor, uniform: Tensor, config: GumbelConfig, greedy: bool
) -> Plan:
    """Decide for `belief: [B, D]`.

    Args:
        model: the world.
        belief: the roots.
        uniform: `[B, A + simulations * model.num_uniforms]` in [0, 1).
        config: the size of the search.
        greedy: without Gumbel noise at the root.
    """
    logits, value = model.root(belief)
    actions = logits.shape[-1]
    noise = gumbel(uniform[:, :actions]) * (not greedy)
    tree = _Tree(belief, logits, value, config.num_simulations + 1)
    schedule = considered_visits(min(config.max_considered_actions, actions), config.num_simulations)
    for simulation, considered in enumerate(schedule):
        node, action = _select(tree, noise, considered, config)
        start = actions + simulation * model.num_uniforms
        _expand(model, tree, node, action, simulation + 1, uniform[:, start : start + model.num_uniforms])
        _back_up(tree, simulation + 1)
    root = torch.zeros_like(tree.rows)
    visits, preference = tree.visits[:, 0], tree.preference(root, config)
    score = _root_score(visits.amax(-1, keepdim=True), noise, logits, preference, visits)
    weights = (logits + preference).softmax(-1)
    q = tree.q(root)
    action = score.argmax(-1)
    return Plan(action, weights, q, visits, (weights * q).sum(-1), _best_line(tree, action))


def considered_visits(considered: int, simulations: int) -> list[int]:
    """Sequential halving: how many visits the root action to be simulated next has had (mctx's `seq_halving`)."""
    if considered <= 1:
        return list(range(simulations))
    sequence: list[int] = []
    visits, alive = [0] * considered, considered
    while len(sequence) < simulations:
        for _ in range(max(1, int(simulations / (math.ceil(math.log2(considered)) * alive)))):
            sequence.extend(visits[:alive])
            visits[:alive] = [v + 1 for v in visits[:alive]]
        alive = max(2, alive // 2)
    return sequence[:simulations]


def _root_score(considered: Tensor | int, noise: Tensor, logits: Tensor, preference: Tensor, visits: Tensor) -> Tensor:
    logits = logits - logits.amax(-1, keepdim=True)
    return torch.where(visits == considered, (noise + logits + preference).clamp_min(_NEVER), -torch.inf)


def _select(tree: _Tree, noise: Tensor, considered: int, config: GumbelConfig) -> tuple[Tensor, Tensor]:
    """Walk down to an action without a child; the node `[B]` and the action `[B]`."""
    node = torch.zeros_like(tree.rows)
    score = _root_score(considered, noise, tree.logits[:, 0], tree.preference(node, config), tree.visits[:, 0])
    action = score.argmax(-1)
    while True:
        child = tree.child[tree.rows, node, action]
        inside = child >= 0
        if not inside.any():
            return node, action
        node = torch.where(inside, child, node)
        visits = tree.visits[tree.rows, node]
        weights = (tree.logits[tree.rows, node] + tree.preference(node, config)).softmax(-1)
        below = (weights - visits / (1 + visits.sum(-1, keepdim=True))).argmax(-1)
        action = torch.where(inside, below, action)


def _expand(model: PlanningModel, tree: _Tree, node: Tensor, action: Tensor, new: int, noise: Tensor) -> None:
    belief, reward, discount, logits, value = model.step(tree.belief[tree.rows, node], action, noise)
    at = (tree.rows, node, action)
    tree.reward[at], tree.discount[at], tree.child[at] = reward, discount, torch.full_like(node, new)
    tree.belief[:, new], tree.logits[:, new] = belief, logits
    tree.raw_value[:, new] = tree.value[:, new] = value
    tree.node_visits[:, new] = 1
    tree.parent[:, new], tree.parent_action[:, new] = node, action


def _back_up(tree: _Tree, leaf: int) -> None:
    """Add the leaf's value to the running means on the way to the root."""
    node = torch.full_like(tree.rows, leaf)
    value = tree.value[:, leaf]
    while True:
        parent, action = tree.parent[tree.rows, node], tree.parent_action[tree.rows, node]
        inside = parent >= 0
        if not inside.any():
            return
        rows, parent, action, child = tree.rows[inside], parent[inside], action[inside], node[inside]
        value = value.clone()
        value[inside] = tree.reward[rows, parent, action] + tree.discount[rows, parent, action] * value[inside]
        count = tree.node_visits[rows, parent]
        tree.child_value[rows, parent, action] = tree.value[rows, child]
        tree.visits[rows, parent, action] += 1
        tree.value[rows, parent] = (tree.value[rows, parent] * count + value[inside]) / (count + 1)
        tree.node_visits[rows, parent] = count + 1
        node = torch.where(inside, tree.parent[tree.rows, node], node)


def _best_line(tree: _Tree, action: Tensor) -> Tensor:
    """From `action: [B]` on along the most visited children, `[B, K]`; -1 past the end."""
    node, line = torch.zeros_like(tree.rows), [action]
    while True:
        child = tree.child[tree.rows, node, line[-1].clamp_min(0)]
        inside = (child >= 0) & (line[-1] >= 0)
        visits = tree.visits[tree.rows, child.clamp_min(0)]
        inside &= visits.sum(-1) > 0
        if not inside.any():
            return torch.stack(line, dim=1)
        node = torch.where(inside, child, node)
        line.append(torch.where(inside, visits.argmax(-1), -1))


class GumbelPlanner(DiscretePlanner):
    """Gumbel MuZero tree search; see `SearchPlanner`."""

    config_class = GumbelConfig

    def __init__(
        self, world_model: WorldModel, config: GumbelConfig, *, deterministic: bool = False, seed: int = 0
    ) -> None:
        self.model, self.config, self.seed = ImaginedModel(world_model, config.rollout), config, seed
        self._greedy, self._traced = deterministic, _TracedModel(self.model)
        self.num_uniforms = self.model.actions + config.num_simulations * self.model.num_uniforms

    @torch.no_grad()
    def plan(self, belief: Tensor, episode: Tensor, step: Tensor) -> Plan:
        """See `DiscretePlanner.plan`."""
        noise = uniform(self.seed, episode, step, self.num_uniforms)
        return gumbel_tree_search(self._traced, belief, noise, self.config, self._greedy)


class _TracedModel:
    """An `ImaginedModel` whose steps are traced; the search around them branches on what they return."""

    def __init__(self, model: ImaginedModel) -> None:
        self.actions, self.num_uniforms, self.value_range = model.actions, model.num_uniforms, model.value_range
        self.root = model.root
        self._step = model.world_model.traced(lambda *arguments: tuple(model.step(*arguments)))

    def step(self, belief: Tensor, action: Tensor, noise: Tensor) -> Prediction:
        return Prediction(*self._step(belief, action, noise))


PLANNER = GumbelPlanner
