"""The trained world model as the planners see it: discrete actions by number, one imagined step per call."""

import itertools
from typing import Any

import gymnasium as gym
import numpy as np
from torch import Tensor

from nextlat_rl.agents.planning.model import Prediction
from nextlat_rl.errors import UserError
from nextlat_rl.imagination import RolloutMode
from nextlat_rl.spaces.binned import BinnedCodec
from nextlat_rl.spaces.categorical import FieldsCodec
from nextlat_rl.world_model import WorldModel

_MOST_ACTIONS = 512


class ImaginedModel:
    """A `PlanningModel` of the latent dynamics: joint actions by number, expected rewards and continuations.

    Args:
        world_model: with a Discrete or MultiDiscrete action space.
        rollout: what takes the place of the observation, see `WorldModel.imagine`.

    Attributes:
        table: `[A, *action]` every action in stored form.
        joint: `[P, A]` turns the policy's parameters into logits of joint actions.

    Raises:
        UserError: the actions are not discrete, or too many to enumerate.
    """

    def __init__(self, world_model: WorldModel, rollout: RolloutMode = "sample") -> None:
        self.world_model, self.rollout = world_model, rollout
        codec, space = world_model.action_codec, world_model.action_space
        self.table = world_model.encode_actions(every_action(space))
        assert isinstance(codec, FieldsCodec)
        self.actions = len(self.table)
        # A joint action's logit is the sum of its fields' logits: its log-probability but for a constant.
        self.joint = codec.one_hot(self.table).T
        self.num_uniforms = world_model.transition_num_uniforms if rollout == "sample" else 0
        self.value_range = world_model.value_range

    def root(self, belief: Tensor) -> tuple[Tensor, Tensor]:
        """Policy logits `[N, A]` and values `[N]`."""
        return self.world_model.policy_parameters(belief) @ self.joint, self.world_model.value(belief)

    def step(self, belief: Tensor, action: Tensor, noise: Tensor) -> Prediction:
        """One imagined step from `belief: [N, D]` by `action: [N]`."""
        after, reward, go_on = self.world_model.expected_step(belief, self.table[action], self.rollout, noise)
        return Prediction(after, reward, self.world_model.discount * go_on, *self.root(after))


def every_action(space: gym.Space[Any]) -> list[Any]:
    """All elements of a Discrete or MultiDiscrete space.

    Raises:
        UserError: it is another space, or has too many.
    """
    if isinstance(space, gym.spaces.Discrete):
        return [space.start + i for i in range(int(space.n))]
    if not isinstance(space, gym.spaces.MultiDiscrete):
        other = "planner=mppi or planner=none" if isinstance(space, gym.spaces.Box) else "planner=none"
        raise UserError(f"planner for discrete actions on {space}: use {other}")
    if np.prod(space.nvec.astype(float)) > _MOST_ACTIONS:
        raise UserError(f"{space} has more than {_MOST_ACTIONS} joint actions, too many to plan over: use planner=none")
    classes = itertools.product(*(range(int(n)) for n in space.nvec.reshape(-1)))
    return [np.reshape(row, space.shape).astype(space.dtype) + space.start for row in classes]


def check_continuous(space: gym.Space[Any]) -> None:
    """Require a Box of actions.

    Raises:
        UserError: it is another space.
    """
    if not isinstance(space, gym.spaces.Box):
        raise UserError(f"planner=mppi on {space}: use planner=lookahead")


class ImaginedContinuousModel:
    """A `ContinuousModel` of the latent dynamics with the most likely answers, with actions scaled to [-1, 1].

    Raises:
        UserError: the actions are not a Box.
    """

    def __init__(self, world_model: WorldModel) -> None:
        self.world_model, codec = world_model, world_model.action_codec
        check_continuous(world_model.action_space)
        assert isinstance(codec, BinnedCodec)
        self.codec, self.size, self.policy_num_uniforms = codec, codec.num_uniforms, codec.num_uniforms

    def stored(self, action: Tensor) -> Tensor:
        """Actions `[N, d]` in [-1, 1] to stored form `[N, *action]`."""
        return self.codec.denormalise(action)

    def policy(self, belief: Tensor, noise: Tensor) -> Tensor:
        """Actions `[N, d]` in [-1, 1] drawn from the policy."""
        return self.codec.normalise(self.codec.sample(self.world_model.policy_parameters(belief), noise))

    def step(self, belief: Tensor, action: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """One imagined step from `belief: [N, D]` by `action: [N, d]`: belief, reward, discount."""
        after, reward, go_on = self.world_model.expected_step(belief, self.stored(action), "argmax", belief)
        return after, reward, self.world_model.discount * go_on

    def value(self, belief: Tensor) -> Tensor:
        """`[N]`."""
        return self.world_model.value(belief)
