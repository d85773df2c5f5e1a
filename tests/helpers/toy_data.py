"""Environments, episodes and a hand-made store for the tests of nextlat_rl.data."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Text, Tuple

from nextlat_rl.data.minari_io import write_dataset
from nextlat_rl.data.store import Store


@dataclass
class Episode:
    observations: list[Any]
    actions: list[Any] = field(default_factory=list)
    rewards: list[float] = field(default_factory=list)
    terminations: list[bool] = field(default_factory=list)
    truncations: list[bool] = field(default_factory=list)
    seed: int | None = None
    behaviour: str | None = "random"


class Nested(gym.Env):
    """Random elements of a nested space; episodes of 1 to 8 steps."""

    observation_space = Dict(
        body=Tuple([Box(-1, 1, (2,)), Dict(contact=MultiBinary(3), gear=MultiDiscrete([2, 5]))]),
        place=Discrete(4, start=-1),
        view=Box(0, 255, (3, 3, 3), np.uint8),
        words=Text(12, min_length=0, charset="abc "),
    )
    action_space = Box(-2, 2, (1,))

    def reset(self, *, seed=None, options=None):
        self.observation_space.seed(seed)
        self.left = 1 + (seed or 0) % 8
        return self._observation(), {}

    def _observation(self):
        observation = self.observation_space.sample()
        grid = np.random.default_rng(self.left).integers(0, 4, (3, 3, 3))  # codes of a symbolic grid
        return observation | {"view": grid.astype(np.uint8)}

    def step(self, action):
        self.left -= 1
        return self._observation(), float(action[0]), self.left == 0, False, {}


def gather(env: gym.Env, count: int) -> list[Episode]:
    """Episodes of a random policy, seeds 0, 1, ..."""
    episodes = []
    env.action_space.seed(0)
    for seed in range(count):
        observation, _ = env.reset(seed=seed)
        episode = Episode([observation], seed=seed)
        done = False
        while not done:
            action = env.action_space.sample()
            observation, reward, terminated, truncated, _ = env.step(action)
            episode.observations.append(observation)
            episode.actions.append(action)
            episode.rewards.append(float(reward))
            episode.terminations.append(terminated)
            episode.truncations.append(truncated)
            done = terminated or truncated
        episodes.append(episode)
    return episodes


def write(dataset_id: str, env: gym.Env, episodes: Any, env_id: str = "Unregistered-v0", **kwargs: Any) -> Any:
    return write_dataset(
        dataset_id, env_id, env.observation_space, env.action_space, episodes, behaviour="random", **kwargs
    )


def numbered_store(lengths: list[int]) -> Store:
    """A store in memory, episodes of so many rows; observation, action and reward tell the row they are in."""
    start = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    rows = np.arange(start[-1])
    last = np.isin(rows, start[1:] - 1)
    return Store(
        path=Path("/nowhere"),
        dataset_id="toy/numbered-v0",
        observation_space=Box(0, np.inf, ()),
        action_space=Box(0, np.inf, (1,)),
        observation={"observation": rows},
        action=np.where(last, 0, rows + 1000)[:, None].astype(np.float32),
        reward=np.where(last, 0, rows + 2000).astype(np.float32),
        terminated=np.isin(rows, start[1:] - 2) & ~last,
        truncated=np.zeros(len(rows), bool),
        episode_start=start,
        episode_return=np.zeros(len(lengths)),
        statistics={},
        summary={},
    )
