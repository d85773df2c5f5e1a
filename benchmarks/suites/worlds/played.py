"""Real episodes of a world's policy, in stored form."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor

from benchmarks.rivals.worlds import Trajectories, World
from nextlat_rl.data.store import Store
from nextlat_rl.envs import make_env
from nextlat_rl.spaces import codec_class, flatten_list, leaves


class Stored:
    """Elements of an environment's spaces to stored form, and actions back."""

    def __init__(self, store: Store) -> None:
        self._observation_space, self._action_space = store.observation_space, store.action_space

    def observations(self, observations: list[Any]) -> dict[str, Tensor]:
        """N elements to leaf -> `[N, *leaf]`."""
        flat = flatten_list(self._observation_space, observations)
        spaces = leaves(self._observation_space)
        return {name: torch.from_numpy(codec_class(space).encode(space, flat[name])) for name, space in spaces.items()}

    def actions(self, action: Tensor) -> list[Any]:
        """`[N, *action]` to N elements."""
        return codec_class(self._action_space, "action").decode(self._action_space, action.numpy())


def first_observations(env_id: str, seeds: list[int]) -> tuple[list[gym.Env], list[Any]]:
    """An environment for each seed, reset to it, and what it shows."""
    envs = [make_env(env_id) for _ in seeds]
    return envs, [env.reset(seed=seed)[0] for env, seed in zip(envs, seeds, strict=True)]


def played(world: World, env_id: str, store: Store, seeds: list[int], horizon: int) -> Trajectories:
    """Play an episode for each seed side by side, all for at most `horizon` steps."""
    stored, count = Stored(store), len(seeds)
    envs, seen = first_observations(env_id, seeds)
    player, reward = world.player(count, seed=0), np.zeros(count, np.float32)
    running = np.ones(count, bool)
    observations, actions, rewards, ends, taken = [stored.observations(seen)], [], [], [], []
    for _ in range(horizon):
        action = player.act(observations[-1], torch.from_numpy(reward))
        chosen, ended, cut = stored.actions(action), np.zeros(count, bool), np.zeros(count, bool)
        reward = np.zeros(count, np.float32)
        for i in np.flatnonzero(running):
            seen[i], reward[i], ended[i], cut[i], _ = envs[i].step(chosen[i])
        observations.append(stored.observations(seen))
        actions.append(action)
        rewards.append(torch.from_numpy(reward))
        ends.append(torch.from_numpy(ended))
        taken.append(torch.from_numpy(running))
        running = running & ~ended & ~cut
        if not running.any():
            break
    for env in envs:
        env.close()
    joined = {name: torch.stack([observation[name] for observation in observations], 1) for name in observations[0]}
    columns = [torch.stack(column, 1) for column in (actions, rewards, ends, taken)]
    return Trajectories(joined, *columns)
