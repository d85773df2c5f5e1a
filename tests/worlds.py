"""Tiny deterministic worlds with known optima, registered as Gymnasium environments."""

from __future__ import annotations

from typing import Any

import gymnasium as gym


class Recall(gym.Env):
    """The first observation names the action that is right two steps later; the optimum is 1, guessing gives 1/2.

    Observations: 1 or 2 (the cue), 0 (wait), 3 (choose), 0 (over). Only the choice counts.
    """

    observation_space = gym.spaces.Discrete(4)
    action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        super().reset(seed=seed)
        self.cue, self.time = int(self.np_random.integers(2)), 0
        return self.cue + 1, {}

    def step(self, action: int) -> tuple[int, float, bool, bool, dict[str, Any]]:
        self.time += 1
        over = self.time == 3
        reward = float(over and int(action) == self.cue)
        return (0, 0, 3, 0)[self.time], reward, over, False, {}


def register() -> None:
    if "Recall-v0" not in gym.registry:
        gym.register("Recall-v0", entry_point="tests.worlds:Recall", max_episode_steps=10)


def recall_episodes(count: int, seed: int = 0) -> list[Any]:
    """Uniformly random play, as `collect_episodes` yields it."""
    from nextlat_rl.envs.episodes import collect_episodes

    register()
    return list(collect_episodes("Recall-v0", "random", episodes=count, seed=seed))
