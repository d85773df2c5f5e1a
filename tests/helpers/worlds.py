"""Tiny deterministic worlds with known optima, registered as Gymnasium environments."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np


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
        gym.register("Recall-v0", entry_point="tests.helpers.worlds:Recall", max_episode_steps=10)


def recall_episodes(count: int, seed: int = 0) -> list[Any]:
    """Uniformly random play, as `collect_episodes` yields it."""
    from nextlat_rl.envs.episodes import collect_episodes

    register()
    return list(collect_episodes("Recall-v0", "random", episodes=count, seed=seed))


class Zoo(gym.Env):
    """Every kind of observation at once; what happens in it is random."""

    observation_space = gym.spaces.Dict(
        {
            "image": gym.spaces.Box(0, 255, (20, 24, 3), np.uint8),
            "pair": gym.spaces.Tuple((gym.spaces.Discrete(3), gym.spaces.MultiBinary(4))),
            "many": gym.spaces.MultiDiscrete([2, 5]),
            "vector": gym.spaces.Box(-np.inf, np.inf, (3,), np.float64),
            "mission": gym.spaces.Text(12),
        }
    )

    def __init__(self, action_space: gym.Space) -> None:
        self.action_space = action_space

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.observation_space.seed(seed)
        self.time = 0
        return self.observation_space.sample(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        assert self.action_space.contains(action), action
        self.time += 1
        reward = float(self.np_random.normal())
        return self.observation_space.sample(), reward, self.time >= 5, False, {}


ZOO_ACTIONS = {
    "Discrete": gym.spaces.Discrete(4, start=2),
    "MultiDiscrete": gym.spaces.MultiDiscrete([3, 2]),
    "Box": gym.spaces.Box(np.float32([-1, 0]), np.float32([1, 5])),
}


def register_zoo() -> None:
    for name, space in ZOO_ACTIONS.items():
        if f"Zoo{name}-v0" not in gym.registry:
            gym.register(f"Zoo{name}-v0", entry_point=Zoo, kwargs={"action_space": space}, disable_env_checker=True)
