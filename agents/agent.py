"""A trained policy acting in a batch of environments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from nextlat_rl.agents.planning.planner import Planner
from nextlat_rl.memory import Acting
from nextlat_rl.noise import uniform
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
    """What plays episodes side by side."""

    def act(
        self,
        observations: Sequence[Any],
        rewards: Sequence[float],
        is_first: Sequence[bool],
        episodes: Sequence[int],
    ) -> list[Any]:
        """One action per environment, see `Agent.act`."""


class Agent:
    """Follows `batch_size` environments with beliefs and draws actions from the policy.

    Args:
        world_model: the trained model.
        batch_size: number of environments, each a row.
        acting: `trunk` recomputes exact beliefs with a KV cache; `recurrent` runs the latent dynamics alone.
        deterministic: most likely actions instead of drawn ones.
        seed: keys the noise together with (episode, step), so that a decision does not depend on the batch it is in.
        planner: looks ahead from each belief; without one the policy acts.

    """

    def __init__(
        self,
        world_model: WorldModel,
        batch_size: int,
        acting: Acting = "trunk",
        deterministic: bool = False,
        seed: int = 0,
        planner: Planner | None = None,
    ) -> None:
        self.world_model = world_model
        self.decide = make_decide(world_model, deterministic, seed, planner)
        self.memory = world_model.memory(batch_size, acting)
        self.last_action = world_model.no_actions(batch_size)
        self.step = torch.zeros(batch_size, dtype=torch.long, device=world_model.device)

    @property
    def belief(self) -> Tensor:
        """`[B, D]` where each row stands."""
        return self.memory.belief

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
        wm = self.world_model
        first = torch.tensor(is_first, device=wm.device)
        reward = torch.tensor(rewards, dtype=torch.float32, device=wm.device)
        self.step.masked_fill_(first, 0)
        step = Step(wm.encode_observations(observations), self.last_action, reward, first)
        belief = wm.observe(step, self.memory)
        self.last_action = self.decide(belief, torch.tensor(episodes, dtype=torch.long, device=wm.device), self.step)
        self.step += 1
        return wm.decode_actions(self.last_action)
