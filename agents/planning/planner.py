"""Planners as an agent uses them: beliefs in, stored actions out, noise keyed by episode and step."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from nextlat_rl.agents.planning.gumbel_tree import GumbelConfig, gumbel_tree_search
from nextlat_rl.agents.planning.imagined import ImaginedContinuousModel, ImaginedModel
from nextlat_rl.agents.planning.lookahead import LookaheadConfig, lookahead
from nextlat_rl.agents.planning.model import Plan, Prediction
from nextlat_rl.agents.planning.mppi import ContinuousPlan, MPPIConfig, mppi
from nextlat_rl.config import PlannerSettings
from nextlat_rl.noise import uniform
from nextlat_rl.spaces.binned import BinnedCodec
from nextlat_rl.tracing import Traced
from nextlat_rl.world_model import RolloutMode, WorldModel


class Planner(Protocol):
    """Decides at beliefs."""

    def decide(self, belief: Tensor, episode: Tensor, step: Tensor) -> Tensor:
        """Stored actions `[B, *action]` at `belief: [B, D]`; `episode` and `step` (`[B]` int64) key the noise."""


class LookaheadPlanner:
    """Batched sequence look-ahead, the whole search one traced function."""

    def __init__(
        self, world_model: WorldModel, rollout: RolloutMode, config: LookaheadConfig, greedy: bool, seed: int
    ) -> None:
        self.model, self.config, self.seed = ImaginedModel(world_model, rollout), config, seed
        self.num_uniforms = sum(config.num_uniforms(self.model))
        network = world_model.model
        self._search = Traced(network, lambda b, u: tuple(lookahead(self.model, b, u, config, greedy)[0]))

    def plan(self, belief: Tensor, episode: Tensor, step: Tensor) -> Plan:
        """The decision at `belief: [B, D]` and what it rests on."""
        return Plan(*self._search(belief, uniform(self.seed, episode, step, self.num_uniforms)))

    def decide(self, belief: Tensor, episode: Tensor, step: Tensor) -> Tensor:
        """Stored actions `[B, *action]`."""
        return self.model.table[self.plan(belief, episode, step).action]


class GumbelPlanner:
    """Gumbel MuZero tree search."""

    def __init__(
        self, world_model: WorldModel, rollout: RolloutMode, config: GumbelConfig, greedy: bool, seed: int
    ) -> None:
        self.model, self.config, self.greedy, self.seed = ImaginedModel(world_model, rollout), config, greedy, seed
        self._traced = _TracedSteps(self.model)

    @torch.no_grad()
    def plan(self, belief: Tensor, episode: Tensor, step: Tensor) -> Plan:
        """The decision at `belief: [B, D]` and what it rests on."""
        noise = uniform(
            self.seed, episode, step, self.model.actions + self.config.num_simulations * self.model.num_uniforms
        )
        return gumbel_tree_search(self._traced, belief, noise, self.config, self.greedy)

    def decide(self, belief: Tensor, episode: Tensor, step: Tensor) -> Tensor:
        """Stored actions `[B, *action]`."""
        return self.model.table[self.plan(belief, episode, step).action]


class MPPIPlanner:
    """MPPI over continuous actions, the whole search one traced function."""

    def __init__(self, world_model: WorldModel, config: MPPIConfig, seed: int) -> None:
        self.model, self.config, self.seed = ImaginedContinuousModel(world_model), config, seed
        self.num_uniforms = sum(config.num_uniforms(self.model))
        self._search = Traced(world_model.model, lambda b, u: tuple(mppi(self.model, b, u, config)))

    def plan(self, belief: Tensor, episode: Tensor, step: Tensor) -> ContinuousPlan:
        """The decision at `belief: [B, D]` and what it rests on."""
        return ContinuousPlan(*self._search(belief, uniform(self.seed, episode, step, self.num_uniforms)))

    def decide(self, belief: Tensor, episode: Tensor, step: Tensor) -> Tensor:
        """Stored actions `[B, *action]`."""
        return self.model.stored(self.plan(belief, episode, step).action)


AnyPlanner = LookaheadPlanner | GumbelPlanner | MPPIPlanner


class _TracedSteps:
    """An `ImaginedModel` whose steps are replayed."""

    def __init__(self, model: ImaginedModel) -> None:
        self.actions, self.num_uniforms, self.value_range, self.root = (
            model.actions,
            model.num_uniforms,
            model.value_range,
            model.root,
        )
        self._step = Traced(model.world_model.model, lambda *arguments: tuple(model.step(*arguments)))

    def step(self, belief: Tensor, action: Tensor, noise: Tensor) -> Prediction:
        return Prediction(*self._step(belief, action, noise))


def build_planner(world_model: WorldModel, settings: PlannerSettings, greedy: bool, seed: int) -> AnyPlanner | None:
    """The planner of `settings`, or None for `none`.

    Args:
        world_model: what it imagines with.
        settings: which planner, and its size.
        greedy: the best action of the improved policy instead of a draw from it.
        seed: keys the noise.

    Raises:
        UserError: the planner does not fit the action space.

    """
    rollout: RolloutMode = settings.rollout  # type: ignore[assignment]  # validated at the edge
    name = settings.name
    if name == "auto":
        name = "mppi" if isinstance(world_model.model.action, BinnedCodec) else "lookahead"
    if name == "lookahead":
        search = LookaheadConfig(settings.depth, settings.width, settings.value_scale)
        return LookaheadPlanner(world_model, rollout, search, greedy, seed)
    if name == "gumbel":
        tree = GumbelConfig(settings.num_simulations, settings.max_considered_actions)
        return GumbelPlanner(world_model, rollout, tree, greedy, seed)
    if name == "mppi":
        control = MPPIConfig(
            horizon=settings.horizon,
            num_samples=settings.num_samples,
            num_policy_samples=settings.num_policy_samples,
            iterations=settings.iterations,
            elites=settings.elites,
            temperature=settings.temperature,
        )
        return MPPIPlanner(world_model, control, seed)
    return None
