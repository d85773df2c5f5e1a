"""Policies without memory: they see one-hot features of the current observation, as the behaviour `sb3` does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.rivals import Choose
from nextlat_rl.envs import make_env
from nextlat_rl.envs.behaviours.random import useful_actions
from nextlat_rl.envs.sb3.features import FeatureWrapper


class FeatureAgent:
    """A policy that sees nothing but the features of the current observation, playing in batches."""

    def __init__(self, env_id: str, choose: Choose) -> None:
        self._features = FeatureWrapper(make_env(env_id))
        self._choose = choose

    def act(
        self,
        observations: Sequence[Any],
        rewards: Sequence[float],
        is_first: Sequence[bool],
        episodes: Sequence[int],
    ) -> list[Any]:
        """One action per environment."""
        seen = np.stack([self._features.observation(observation) for observation in observations])
        return [int(action) for action in self._choose(seen)]


def random_policy(env_id: str, seed: int) -> Choose:
    """Uniform over the actions that can be of use."""
    env = make_env(env_id)
    env.reset(seed=0)
    actions, rng = np.asarray(useful_actions(env)), np.random.default_rng(seed)
    return lambda seen: rng.choice(actions, len(seen))
