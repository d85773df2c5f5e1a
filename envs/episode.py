"""Episodes: how they are stored while they are gathered, and how one is rolled out."""

from typing import Any

import gymnasium as gym
import numpy as np

from nextlat_rl.data.episode import Episode
from nextlat_rl.envs.behaviour import Behaviour
from nextlat_rl.errors import UserError
from nextlat_rl.seeds import EVALUATION_SEED


def record(episode: Episode, action: Any, observation: Any, reward: Any, terminated: Any, truncated: Any) -> None:
    """Append one transition."""
    episode.actions.append(snapshot(action))
    episode.observations.append(snapshot(observation))
    episode.rewards.append(float(reward))
    episode.terminations.append(bool(terminated))
    episode.truncations.append(bool(truncated))


def snapshot(element: Any) -> Any:
    """Copy of an element of a space, safe from environments that write into the arrays they return."""
    if isinstance(element, np.ndarray):
        return element.copy()
    if isinstance(element, dict):
        return {name: snapshot(part) for name, part in element.items()}
    if isinstance(element, tuple | list):
        return tuple(snapshot(part) for part in element)
    return element


def roll_out(env: gym.Env, behaviour: Behaviour, seed: int) -> Episode:
    """Episode of `env`, reset with `seed`; it depends on the seed alone."""
    integers = isinstance(env.action_space, gym.spaces.Discrete)
    observation, _ = env.reset(seed=seed)
    behaviour.reset(env, seed)
    episode = Episode(seed, behaviour.name, [snapshot(observation)])
    over = False
    while not over:
        action = behaviour.act(observation)
        action = int(action) if integers else action
        observation, reward, terminated, truncated, _ = env.step(action)
        behaviour.rewarded(float(reward))
        record(episode, action, observation, reward, terminated, truncated)
        over = terminated or truncated
    return episode


def check_seed(seed: int) -> None:
    """Raise UserError when `seed` is reserved for evaluation."""
    if seed >= EVALUATION_SEED:
        raise UserError(f"seed {seed} is reserved for evaluation; collect with seeds below {EVALUATION_SEED:,}")
