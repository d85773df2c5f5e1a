"""The trunk as a features extractor of an SB3 policy."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

import gymnasium as gym
import torch
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import Tensor, nn

from nextlat_rl.errors import UserError
from nextlat_rl.world_model import WorldModel


class BeliefExtractor(BaseFeaturesExtractor):
    """Features `[B, D]` of plain observations: the belief of an episode that begins with them.

    For fully observed environments with Box vectors; where the past matters use `BeliefVecEnv`, which remembers. It
    works on a copy, so fine-tuning leaves the world model alone:

        PPO("MlpPolicy", env, policy_kwargs={"features_extractor_class": BeliefExtractor,
                                             "features_extractor_kwargs": {"world_model": world_model}})

    Args:
        observation_space: of the agent; SB3 passes it.
        world_model: the trained model.
        fine_tune: let the agent's gradients change the copy.

    Raises:
        UserError: observations that are no vectors, or not the world model's.
    """

    def __init__(self, observation_space: gym.Space, world_model: WorldModel, fine_tune: bool = False) -> None:
        if not isinstance(observation_space, gym.spaces.Box) or len(observation_space.shape) != 1:
            raise UserError("BeliefExtractor reads vectors (a Box of one dimension): use BeliefVecEnv for the rest")
        world_model.check_spaces(observation_space, world_model.action_space)
        super().__init__(observation_space, world_model.belief_size)
        self.model = deepcopy(world_model.model).requires_grad_(fine_tune)
        (self._leaf,) = self.model.observation

    def apply(self, fn: Callable[[nn.Module], None]) -> BeliefExtractor:
        """Leave the weights as they are: SB3's policies initialise all linear layers anew through this method."""
        return self

    def forward(self, observations: Tensor) -> Tensor:
        """`[B, n] -> [B, D]`."""
        seen = {self._leaf: observations}
        x = self.model.with_numbers(self.model.start + self.model.embed_observation(seen), seen)
        segment = torch.zeros(len(x), 1, dtype=torch.long, device=x.device)
        return self.model.beliefs(x[:, None], segment)[:, 0]
