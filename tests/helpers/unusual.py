"""Environments of legal but unusual kinds, made of one small one by replacing its parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np


class Small(gym.Env):
    """Ten steps of noise; refuses actions that its space does not contain."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 30}  # noqa: RUF012 - as Gymnasium's are
    observation_space: gym.Space = gym.spaces.Box(-1, 1, (3,), np.float32)
    action_space: gym.Space = gym.spaces.Discrete(3)
    length = 10

    def __init__(self, render_mode: str | None = None, length: int | None = None) -> None:
        self.render_mode = render_mode
        self.length = length or self.length

    def observe(self) -> Any:
        return self.observation_space.sample()

    def reward(self) -> Any:
        return float(self.np_random.normal())

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.observation_space.seed(seed)
        self.time = 0
        return self.observe(), {}

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        if not self.action_space.contains(action):
            raise ValueError(f"action {action!r} is not in {self.action_space}")
        self.time += 1
        return self.observe(), self.reward(), self.time >= self.length, False, {}

    def render(self) -> Any:
        return np.full((20, 30, 3), self.time, np.uint8)


def register(name: str, base: type[Small] = Small, **parts: Any) -> str:
    """Register a `Small` with other parts, and return its id."""
    env_id = f"Unusual{name}-v0"
    if env_id not in gym.registry:
        gym.register(env_id, entry_point=type(name, (base,), parts), disable_env_checker=True)
    return env_id


def failing(step: int, fault: Callable[[], Any]) -> Callable[[Small], Any]:
    """An `observe` that gives what `fault` gives, or raises what it raises, at one step of every episode."""
    return lambda env: fault() if env.time == step else np.zeros(3, np.float32)


def raises(error: Exception) -> Any:
    raise error
