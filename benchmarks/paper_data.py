"""Data of the paper's tasks, in memory: its episodes are short, and Minari takes its time over each of them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import gymnasium as gym
import numpy as np
from rich.console import Console

from nextlat_rl.console import bar
from nextlat_rl.data.store import Store
from nextlat_rl.envs import make_env
from nextlat_rl.envs.episode import Episode
from nextlat_rl.envs.episodes import collect_episodes
from nextlat_rl.spaces import codec_class, leaves, scalar_statistics

_FEW = 50_000  # episodes that are gathered before other processes have started


def gathered(env_id: str, behaviour: str, episodes: int, console: Console) -> Store:
    """A store of fresh episodes of a token task, always the same for the same arguments."""
    with bar(console, f"Gathering {env_id}", episodes, "episodes") as shown:
        source = collect_episodes(
            env_id,
            behaviour,
            episodes=episodes,
            workers=min(os.cpu_count() or 1, 8) if episodes > _FEW else 1,
            on_progress=lambda steps, done, mean: shown.update(done),
        )
        env = make_env(env_id)
        return memory_store(env.observation_space, env.action_space, list(source))


def memory_store(observation_space: gym.Space, action_space: gym.Space, episodes: Sequence[Episode]) -> Store:
    """The store of episodes of Discrete observations and actions, without files."""
    (leaf,) = leaves(observation_space)
    start = np.cumsum([0, *(len(episode) + 1 for episode in episodes)])
    has_action = np.ones(start[-1], dtype=bool)
    has_action[start[1:] - 1] = False
    seen = chain.from_iterable(episode.observations for episode in episodes)
    taken = chain.from_iterable(episode.actions for episode in episodes)
    stored = {
        role: codec_class(space, role).encode(space, list(values))  # type: ignore[arg-type]
        for role, space, values in (("observation", observation_space, seen), ("action", action_space, taken))
    }
    action = np.zeros(len(has_action), dtype=stored["action"].dtype)
    action[has_action] = stored["action"]
    reward, terminated, truncated = (np.zeros(len(has_action), dtype=kind) for kind in (np.float32, np.bool_, np.bool_))
    reward[has_action] = [r for episode in episodes for r in episode.rewards]
    terminated[has_action] = [end for episode in episodes for end in episode.terminations]
    truncated[has_action] = [cut for episode in episodes for cut in episode.truncations]
    return Store(
        path=Path(),
        dataset_id="",
        observation_space=observation_space,
        action_space=action_space,
        observation={leaf: stored["observation"]},
        action=action,
        reward=reward,
        terminated=terminated,
        truncated=truncated,
        episode_start=start,
        episode_return=np.array([sum(episode.rewards) for episode in episodes]),
        statistics={"observation": {leaf: {}}, "action": {}, "reward": scalar_statistics(reward[has_action])},
        summary={},
    )
