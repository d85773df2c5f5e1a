"""An environment that can be brought back into the middle of an episode: by playing the episode again."""

import hashlib
import json
from typing import Any

import gymnasium as gym
import numpy as np

from nextlat_rl.errors import UserError


class Replayed(gym.Wrapper):
    """Remembers how the episode under way began, and its actions.

    For environments that are a function of `np_random` and the actions, as Gymnasium asks for. It goes outside of all
    other wrappers, and keeps the actions of one episode in memory.
    """

    def __init__(self, env: gym.Env) -> None:
        super().__init__(env)
        self._begun: dict[str, Any] | None = None
        self._actions: list[Any] = []
        self._seen: Any = None

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode."""
        random = self.unwrapped.np_random.bit_generator.state if seed is None else None
        self._begun, self._actions = {"seed": seed, "options": options, "random": random}, []
        self._seen, info = self.env.reset(seed=seed, options=options)
        return self._seen, info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Take a step."""
        self._actions.append(np.array(action))
        self._seen, *rest = self.env.step(action)
        return self._seen, *rest

    def episode(self) -> dict[str, Any]:
        """The episode under way, for `replay`: its beginning, the actions `[T, *action]`, and what was seen last.

        Raises:
            UserError: there is none.
        """
        if self._begun is None:
            raise UserError("there is no episode to save: let the agent learn first")
        return {**self._begun, "actions": np.array(self._actions), "seen": _digest(self._seen)}

    def replay(self, episode: dict[str, Any]) -> None:
        """Play an episode again up to where `episode` was called.

        Raises:
            UserError: it ends before, or another observation is reached.
        """
        if episode["random"] is not None:
            self.unwrapped.np_random.bit_generator.state = episode["random"]
        self.reset(seed=episode["seed"], options=episode["options"])
        steps = episode["actions"]
        ended = [any(self.step(action)[2:4]) for action in steps]
        if any(ended) or _digest(self._seen) != episode["seen"]:
            raise UserError(
                f"{self.env} went another way when its episode of {len(steps)} steps was played again: it is not the "
                "same environment, or draws from something else than np_random, and cannot be restored"
            )


def _digest(observation: Any) -> str:
    written = json.dumps(observation, default=lambda part: np.asarray(part).tolist())
    return hashlib.sha256(written.encode()).hexdigest()
