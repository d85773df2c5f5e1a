"""A ring with storms, and an agent's actions in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium as gym

from nextlat_rl.agents.agent import ActsInBatches
from nextlat_rl.agents.episodes import run_episodes


class Ring(gym.Env):
    """Eight places in a ring; action 1 steps forward, 0 stays, and every eleventh step a storm blows one place back."""

    observation_space = gym.spaces.Discrete(8)
    action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        super().reset(seed=seed)
        self.place, self.time = int(self.np_random.integers(8)), int(self.np_random.integers(11))
        return self.place, {}

    def step(self, action: int) -> tuple[int, float, bool, bool, dict[str, Any]]:
        self.time += 1
        self.place = (self.place + int(action) - (self.time % 11 == 0)) % 8
        return self.place, float(self.place == 0), bool(self.np_random.random() < 0.02), False, {}


class Recorder:
    """Keeps every action by episode."""

    def __init__(self, agent: ActsInBatches) -> None:
        self.agent, self.actions = agent, dict[int, list[Any]]()

    def act(
        self,
        observations: Sequence[Any],
        rewards: Sequence[float],
        is_first: Sequence[bool],
        episodes: Sequence[int],
    ) -> list[Any]:
        actions = self.agent.act(observations, rewards, is_first, episodes)
        for episode, action in zip(episodes, actions, strict=True):
            self.actions.setdefault(episode, []).append(action)
        return actions


def played(env_id: str, agent: ActsInBatches, n_envs: int, episodes: int) -> dict[int, list[Any]]:
    """The actions of every episode."""
    recorder = Recorder(agent)
    results, _ = run_episodes(env_id, recorder, range(episodes), n_envs)
    return {result.seed: recorder.actions[result.seed][: result.length] for result in results}
