"""Planners as an agent uses them: beliefs in, stored actions out, noise keyed by episode and step."""

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar, Protocol

import gymnasium as gym
import torch
from torch import Tensor

from nextlat_rl.agents.planning.config import PLANNERS, PlannerConfig, planner_config
from nextlat_rl.agents.planning.imagined import ImaginedModel, every_action
from nextlat_rl.agents.planning.model import Plan
from nextlat_rl.world_model import WorldModel


class Planner(Protocol):
    """What an agent needs of a planner."""

    def decide(self, belief: Tensor, episode: Tensor, step: Tensor) -> Tensor:
        """Stored actions `[B, *action]` at `belief: [B, D]`; `episode` and `step` (`[B]` int64) key the noise."""


@dataclass
class Explanation:
    """One decision and the action sequences it was chosen from."""

    lines: list[Tensor]  # stored actions `[K, *action]` of each sequence, the chosen one first
    returns: list[float | None]  # what the planner expects of each; None where it keeps no such number
    plan: Plan | None = None  # of a planner over discrete actions
    prior: Tensor | None = None  # [A] the policy's own probabilities, likewise


class SearchPlanner(ABC):
    """Base of the planners in `planners/`.

    Args:
        world_model: what it imagines with.
        config: of the class `config_class`; `make_planner` cuts `steps_setting` to the trust horizon.
        deterministic: the best action instead of a draw from the improved policy.
        seed: keys the noise, with episode and step.

    Raises:
        UserError: the planner does not fit the action space.
    """

    config_class: ClassVar[type[PlannerConfig]]
    steps_setting: ClassVar[str | None] = None  # the setting that says how many steps ahead it looks, if one does

    @abstractmethod
    def __init__(self, world_model: WorldModel, config: Any, *, deterministic: bool = False, seed: int = 0) -> None: ...

    @staticmethod
    def check_space(space: gym.Space[Any]) -> Any:
        """Require an action space that this planner can plan over, by default any; UserError otherwise."""
        return space

    @abstractmethod
    def decide(self, belief: Tensor, episode: Tensor, step: Tensor) -> Tensor:
        """See `Planner.decide`."""

    def explain(self, belief: Tensor, episode: int, step: int, count: int) -> Explanation:
        """Decide once more at `belief: [1, D]`, keeping up to `count` of the sequences that were compared."""
        return Explanation([self.decide(belief, *keys(belief, episode, step))], [None])


class DiscretePlanner(SearchPlanner):
    """A planner whose decision comes with an improved policy over all discrete actions."""

    model: ImaginedModel
    check_space = staticmethod(every_action)

    @abstractmethod
    def plan(self, belief: Tensor, episode: Tensor, step: Tensor) -> Plan:
        """The decision at `belief: [B, D]` and the numbers behind it."""

    def decide(self, belief: Tensor, episode: Tensor, step: Tensor) -> Tensor:
        """Stored actions `[B, *action]`."""
        return self.model.table[self.plan(belief, episode, step).action]

    @torch.no_grad()
    def explain(self, belief: Tensor, episode: int, step: int, count: int) -> Explanation:
        """See `SearchPlanner.explain`."""
        plan = self.plan(belief, *keys(belief, episode, step))
        sequence = plan.sequence[0]
        prior = self.model.root(belief)[0][0].softmax(-1)
        return Explanation([self.model.table[sequence[sequence >= 0]]], [None], plan, prior)


def keys(belief: Tensor, episode: int, step: int) -> tuple[Tensor, Tensor]:
    """Episode and step as tensors `[1]`."""
    return torch.tensor([episode], device=belief.device), torch.tensor([step], device=belief.device)


def make_planner(
    world_model: WorldModel,
    planner: str | PlannerConfig = "auto",
    *,
    deterministic: bool = False,
    seed: int = 0,
    **settings: Any,
) -> SearchPlanner | None:
    """A planner by name or by its settings; None for `none`.

    `lookahead` and `mppi` look no further than the world model's trust horizon, where that was measured, or one step.

    Args:
        world_model: what it imagines with.
        planner: a name (`auto` is `lookahead` where actions are discrete, `mppi` where they are continuous), or
            settings as `planner_config` makes them.
        deterministic: the best action instead of a draw from the improved policy.
        seed: keys the noise, with episode and step.
        **settings: of the planner, such as `width=32`.

    Raises:
        UserError: an unknown planner or setting, a planner that does not fit the action space, or a world model whose
            latent dynamics were not trained.
    """
    given = {"name": planner} if isinstance(planner, str) else asdict(planner)
    given["name"] = planner_name(given["name"], world_model.action_space)
    config = planner_config(given | settings)
    if config.name == "none":
        return None
    world_model.check_dynamics(f"planner={config.name}", ", or use planner=none")
    planner_class = PLANNERS.load(config.name)
    if planner_class.steps_setting is not None:
        name: str = planner_class.steps_setting
        cut: dict[str, Any] = {name: world_model.trusted(getattr(config, name))}
        config = replace(config, **cut)
    made: SearchPlanner = planner_class(world_model, config, deterministic=deterministic, seed=seed)
    return made


def planner_name(name: str, space: gym.Space[Any]) -> str:
    """`name`, or what `auto` stands for on this action space."""
    if name != "auto":
        return name
    return "mppi" if isinstance(space, gym.spaces.Box) else "lookahead"


def check_space(name: str, space: gym.Space[Any]) -> None:
    """Require that the planner called `name` can plan over these actions.

    Raises:
        UserError: it cannot.
    """
    if name != "none":
        PLANNERS.load(planner_name(name, space)).check_space(space)
