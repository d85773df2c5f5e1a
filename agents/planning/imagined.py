"""The trained world model as the planners see it: discrete actions by number, one imagined step per call."""

from __future__ import annotations

import itertools
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor

from nextlat_rl.agents.planning.model import Prediction
from nextlat_rl.errors import UserError
from nextlat_rl.spaces.binned import BinnedCodec
from nextlat_rl.spaces.categorical import FieldsCodec
from nextlat_rl.world_model import RolloutMode, WorldModel

_MOST_ACTIONS = 512


class ImaginedModel:
    """Steps of the latent dynamics, with the answer's expected reward.

    Args:
        world_model: with a Discrete or MultiDiscrete action space.
        rollout: what takes the place of the observation, see `WorldModel.imagine`.

    Raises:
        UserError: the actions are not discrete, or too many to enumerate.

    """

    def __init__(self, world_model: WorldModel, rollout: RolloutMode = "open_loop") -> None:
        self.world_model, self.rollout, network = world_model, rollout, world_model.model
        codec = network.action
        if not isinstance(codec, FieldsCodec):
            raise UserError(
                f"planner for discrete actions on {network.spaces.action}: use planner=mppi or planner=none"
            )
        self.table = world_model.encode_actions(_every_action(network.spaces.action))  # [A, *action]
        self.actions = len(self.table)
        # Logits of a joint action: the sum of its fields' logits, which differs from the log-probability by a constant.
        self.joint = codec.one_hot(self.table).T.to(network.start.dtype)  # [P, A]
        self.num_uniforms = network.transition_num_uniforms if rollout == "sample" else 0
        centres = network.value.centres
        self.value_range = float(centres[-1] - centres[0])

    def root(self, belief: Tensor) -> tuple[Tensor, Tensor]:
        """Policy logits `[N, A]` and values `[N]`."""
        network = self.world_model.model
        return network.action.head(belief) @ self.joint, network.value.mean(network.value.head(belief))

    def step(self, belief: Tensor, action: Tensor, noise: Tensor) -> Prediction:
        """One imagined step from `belief: [N, D]` by `action: [N]`."""
        network = self.world_model.model
        embedded = network.embed_action(self.table[action])
        answer = network.transition(network.after(belief, embedded))
        if self.rollout == "open_loop":
            token = network.embed_open_loop(embedded)
        else:
            drawn = (
                network.sample_transition(answer, noise)
                if self.rollout == "sample"
                else network.argmax_transition(answer)
            )
            reward, end, observation = drawn
            token = network.embed_step(embedded, reward, observation, torch.zeros_like(end))
        belief = network.dynamics(belief, token)
        discount = self.world_model.discount * torch.sigmoid(-answer.end)
        return Prediction(belief, network.expected_reward(answer), discount, *self.root(belief))


def _every_action(space: gym.Space[Any]) -> list[Any]:
    """All elements of a Discrete or MultiDiscrete space."""
    if isinstance(space, gym.spaces.Discrete):
        return [space.start + i for i in range(int(space.n))]
    if not isinstance(space, gym.spaces.MultiDiscrete):
        raise UserError(f"planner for discrete actions on {space}: use planner=none")
    if np.prod(space.nvec.astype(float)) > _MOST_ACTIONS:
        raise UserError(f"{space} has more than {_MOST_ACTIONS} joint actions, too many to plan over: use planner=none")
    classes = itertools.product(*(range(int(n)) for n in space.nvec.reshape(-1)))
    return [np.reshape(row, space.shape).astype(space.dtype) + space.start for row in classes]


class ImaginedContinuousModel:
    """Open-loop steps of the latent dynamics under continuous actions, scaled to [-1, 1].

    Raises:
        UserError: the actions are not a Box.

    """

    def __init__(self, world_model: WorldModel) -> None:
        self.world_model = world_model
        codec = world_model.model.action
        if not isinstance(codec, BinnedCodec):
            raise UserError(f"planner=mppi on {world_model.model.spaces.action}: use planner=lookahead")
        self.codec, self.size, self.policy_num_uniforms = codec, codec.num_uniforms, codec.num_uniforms

    def stored(self, action: Tensor) -> Tensor:
        """Actions `[N, d]` in [-1, 1] to stored form `[N, *action]`."""
        return self.codec.denormalise(action)

    def policy(self, belief: Tensor, noise: Tensor) -> Tensor:
        """Actions `[N, d]` in [-1, 1] drawn from the policy."""
        return self.codec.normalise(self.codec.sample(self.codec.head(belief), noise))

    def step(self, belief: Tensor, action: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """One open-loop step from `belief: [N, D]` by `action: [N, d]`: belief, reward, discount."""
        network = self.world_model.model
        embedded = network.embed_action(self.stored(action))
        answer = network.transition(network.after(belief, embedded))
        after = network.dynamics(belief, network.embed_open_loop(embedded))
        return after, network.expected_reward(answer), self.world_model.discount * torch.sigmoid(-answer.end)

    def value(self, belief: Tensor) -> Tensor:
        """`[N]`."""
        return self.world_model.model.value.mean(self.world_model.model.value.head(belief))
