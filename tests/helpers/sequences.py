"""Hand-made episodes, for what compares real with imagined ones."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np

from nextlat_rl.metrics.trajectories import Trajectories
from nextlat_rl.spaces import build_codec
from nextlat_rl.spaces.codec import Codec

PLACES = 6


def place_codec() -> Codec:
    return build_codec(gym.spaces.Discrete(PLACES), 8, {}, role="observation")


def action_codec() -> Codec:
    return build_codec(gym.spaces.Discrete(2), 8, {}, role="action")


def walks(count: int, steps: int, seed: int, stray: Any = ()) -> Trajectories:
    """A random walk on a ring of six places, which action 1 follows clockwise; it pays 1 at place 0.

    In the steps `stray` (counted from 0) the walker is anywhere.
    """
    rng = np.random.default_rng(seed)
    action = rng.integers(2, size=(count, steps))
    place = np.zeros((count, steps + 1), np.int64)
    place[:, 0] = np.arange(count) % PLACES
    for k in range(steps):
        move = np.where(action[:, k] == 1, 1, -1)
        place[:, k + 1] = rng.integers(PLACES, size=count) if k in stray else (place[:, k] + move) % PLACES
    reward = (place[:, 1:] == 0).astype(np.float32)
    ended = np.zeros((count, steps), bool)
    return Trajectories({"place": place}, action, reward, ended, np.full(count, steps))
