"""Tasks in tokens as an environment: first a prompt is read, one token a step, then actions are the tokens written."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import gymnasium as gym


class TokenTask(gym.Env):
    """Reads a prompt, then writes.

    Observations `0..tokens-1` are the prompt's tokens and `tokens` is silence, shown while the agent writes. Actions
    `0..words-1` are words and `words` is waiting, which is what to do while there is still a prompt to read. Waiting
    when it is time to write, writing too early and writing a wrong word end the episode with reward 0; the last right
    word solves the problem and brings `1 / problems`. An episode is `problems` problems, one after the other.
    """

    metadata = {"render_modes": ["ansi"], "render_fps": 4}  # noqa: RUF012 - gymnasium's own type

    def __init__(self, tokens: int, words: int, problems: int = 1, render_mode: str | None = None) -> None:
        self.observation_space = gym.spaces.Discrete(tokens + 1)
        self.action_space = gym.spaces.Discrete(words + 1)
        self.silence, self.wait = tokens, words
        self.problems, self.render_mode = problems, render_mode

    @abstractmethod
    def draw(self) -> list[int]:
        """Draw a problem with `self.np_random`; its prompt, at least one token."""

    @abstractmethod
    def next_word(self, written: list[int]) -> int | None:
        """The right word after those `written`, None when all is said."""

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        """A fresh problem; its first token."""
        super().reset(seed=seed)
        self.solved = 0
        return self._next_problem(), {}

    def best_action(self) -> int:
        """What solves the task from here."""
        if self.read < len(self.prompt):
            return self.wait
        word = self.next_word(self.written)
        assert word is not None
        return word

    def step(self, action: int) -> tuple[int, float, bool, bool, dict[str, Any]]:
        """Wait for a token, or write a word."""
        if int(action) != self.best_action():
            return self.silence, 0.0, True, False, {"success": False}
        if self.read < len(self.prompt):
            self.read += 1
            return self.prompt[self.read - 1], 0.0, False, False, {}
        self.written.append(int(action))
        if self.next_word(self.written) is not None:
            return self.silence, 0.0, False, False, {}
        self.solved += 1
        if self.solved == self.problems:
            return self.silence, 1 / self.problems, True, False, {"success": True}
        return self._next_problem(), 1 / self.problems, False, False, {}

    def _next_problem(self) -> int:
        """Draw a problem; its first token."""
        self.prompt = self.draw()
        self.read, self.written = 1, list[int]()
        return self.prompt[0]

    def render(self) -> str:
        """What was read and written so far."""
        read = " ".join(map(str, self.prompt[: self.read]))
        return f"{read} | {' '.join(map(str, self.written))}"
