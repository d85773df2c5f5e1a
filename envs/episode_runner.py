"""Rolls out single episodes."""

import gymnasium as gym

from nextlat_rl.envs.episode import Episode, record, snapshot
from nextlat_rl.envs.factory import make_env
from nextlat_rl.envs.mixture import MixedBehaviour, parse_mixture


class EpisodeRunner:
    """An environment and a behaviour of its own; each episode depends on its seed alone."""

    def __init__(self, env_id: str, behaviour: str, epsilon: float) -> None:
        self._env = make_env(env_id)
        self._behaviour = MixedBehaviour(parse_mixture(behaviour), env_id, epsilon)
        self._integers = isinstance(self._env.action_space, gym.spaces.Discrete)

    def episode(self, seed: int) -> Episode:
        """Episode of the environment reset with `seed`."""
        observation, _ = self._env.reset(seed=seed)
        self._behaviour.reset(self._env, seed)
        episode = Episode(seed, self._behaviour.name, [snapshot(observation)])
        over = False
        while not over:
            action = self._behaviour.act(observation)
            action = int(action) if self._integers else action
            observation, reward, terminated, truncated, _ = self._env.step(action)
            self._behaviour.rewarded(float(reward))
            record(episode, action, observation, reward, terminated, truncated)
            over = terminated or truncated
        return episode

    def close(self) -> None:
        """Close the environment."""
        self._env.close()
