"""A trained policy acting in a batch of environments."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from nextlat_rl.agents.planning.planner import Planner
from nextlat_rl.memory import Acting
from nextlat_rl.noise import uniform
from nextlat_rl.tracing import lasting
from nextlat_rl.types import Step
from nextlat_rl.world_model import WorldModel

Decide = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(belief `[B, D]`, episode `[B]`, step `[B]`) -> stored actions `[B, *action]`, the same however they are batched."""


def make_decide(world_model: WorldModel, deterministic: bool, seed: int, planner: Planner | None) -> Decide:
    """The planner's decisions, or without one the policy's: its most likely actions or draws keyed by `seed`."""
    if planner is not None:
        return planner.decide
    if deterministic:
        return lambda belief, episode, step: world_model.policy(belief)
    size = world_model.action_codec.num_uniforms
    return lambda belief, episode, step: world_model.policy(belief, uniform(seed, episode, step, size))


class ActsInBatches(Protocol):
    """What `run_episodes` needs of an agent."""

    @property
    def act(self) -> Callable[[Sequence[Any], Sequence[float], Sequence[bool], Sequence[int]], list[Any]]:
        """See `BatchAgent.act`."""


@dataclass
class Decision:
    """What an agent decided in B environments at once."""

    actions: list[Any]  # [B] elements of the action space
    is_first: Sequence[bool]  # [B] whether the episode began here
    ahead: Tensor  # [B] bool, decided before the observation came, without a call of trunk or planner


class BatchAgent(ABC):
    """Follows B environments, each a row, and decides in all of them at once.

    Attributes:
        last_action: `[B, *action]` stored actions taken last; set it where an environment got another one.
        on_decision: called after every decision, if set.
    """

    @lasting
    def __init__(self, world_model: WorldModel, batch_size: int) -> None:
        self.world_model = world_model
        self.last_action = world_model.no_actions(batch_size)
        self.step = torch.zeros(batch_size, dtype=torch.long, device=world_model.device)
        self.on_decision: Callable[[Decision], None] | None = None

    @property
    @abstractmethod
    def belief(self) -> Tensor:
        """Beliefs `[B, D]` at the last observations."""

    @property
    def ahead(self) -> Tensor:
        """Whether each row's last decision was made ahead of its observation, `[B]` bool."""
        return torch.zeros_like(self.step, dtype=torch.bool)

    @lasting
    def act(
        self,
        observations: Sequence[Any],
        rewards: Sequence[float],
        is_first: Sequence[bool],
        episodes: Sequence[int],
    ) -> list[Any]:
        """One action per environment.

        Args:
            observations: `[B]` elements of the observation space, o_t.
            rewards: `[B]` r_{t-1}, ignored where `is_first`.
            is_first: `[B]` whether o_t is an episode's first.
            episodes: `[B]` an integer that names each row's episode.
        """
        started, wm = time.perf_counter(), self.world_model
        first = torch.tensor(is_first, device=wm.device)
        reward = torch.tensor(rewards, dtype=torch.float32, device=wm.device)
        step = Step(wm.encode_observations(observations), self.last_action, reward, first)
        self.decide_step(step, torch.tensor(episodes, dtype=torch.long, device=wm.device))
        actions = wm.decode_actions(self.last_action)
        self._acted(time.perf_counter() - started)
        if self.on_decision is not None:
            self.on_decision(Decision(actions, is_first, self.ahead))
        return actions

    def decide_step(self, step: Step, episode: Tensor) -> Tensor:
        """`act` in stored form: actions `[B, *action]` for x_t; `episode: [B]` as there."""
        self.step.masked_fill_(step.is_first, 0)
        self.last_action = self._choose(step, episode)
        self.step += 1
        return self.last_action

    @abstractmethod
    def _choose(self, step: Step, episode: Tensor) -> Tensor:
        """Stored actions `[B, *action]` for x_t."""

    def _acted(self, seconds: float) -> None:  # noqa: B027 - most agents do not measure themselves
        """Called after `act` with the time it took."""


class Agent(BatchAgent):
    """Follows environments with beliefs and draws actions from the policy, or asks a planner.

    Args:
        world_model: the trained model.
        batch_size: number of environments.
        acting: `trunk` recomputes exact beliefs with a KV cache; `recurrent` runs the latent dynamics alone.
        deterministic: most likely actions instead of drawn ones.
        seed: keys the noise together with (episode, step), so that a decision does not depend on the batch it is in.
        planner: decides at each belief; without one the policy does. It has its own `deterministic` and `seed`.
    """

    def __init__(
        self,
        world_model: WorldModel,
        batch_size: int = 1,
        acting: Acting = "trunk",
        deterministic: bool = False,
        seed: int = 0,
        planner: Planner | None = None,
    ) -> None:
        super().__init__(world_model, batch_size)
        self.decide = make_decide(world_model, deterministic, seed, planner)
        self.memory = world_model.memory(batch_size, acting)

    @property
    def belief(self) -> Tensor:
        """Beliefs `[B, D]` at the last observations."""
        return self.memory.belief

    def _choose(self, step: Step, episode: Tensor) -> Tensor:
        return self.decide(self.world_model.observe(step, self.memory), episode, self.step)
