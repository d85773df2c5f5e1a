"""Base of the token tasks: first a prompt is read, one token a step, then the actions are the answer's tokens."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np

from nextlat_rl.errors import UserError

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class TokenTask(gym.Env):
    """An environment with a prompt to read and an answer to write.

    Observations `0..tokens-1` are the prompt's tokens; `tokens` is silence, shown while the agent writes. Actions
    `0..words-1` are words; `words` is waiting, the right action while there is still a prompt to read. Waiting instead
    of writing, writing too early and a wrong word end the episode with reward 0. The last right word solves the problem
    and gives `1 / problems`. An episode is `problems` problems, one after the other.

    `render()` shows what was read and written, as a line (`ansi`) or a drawing (`rgb_array`, `[H, W, 3]` uint8).
    """

    metadata = {"render_modes": ["ansi", "rgb_array"], "render_fps": 4}  # noqa: RUF012 - gymnasium's own type

    def __init__(self, tokens: int, words: int, problems: int = 1, render_mode: str | None = None) -> None:
        if problems < 1:
            raise UserError(f"an episode has at least 1 problem, got problems={problems}")
        self.observation_space = gym.spaces.Discrete(tokens + 1)
        self.action_space = gym.spaces.Discrete(words + 1)
        self.silence, self.wait = tokens, words
        self.problems, self.render_mode = problems, render_mode

    @abstractmethod
    def draw(self) -> list[int]:
        """Draw a problem with `self.np_random` and return its prompt, at least one token."""

    @abstractmethod
    def next_word(self, written: list[int]) -> int | None:
        """A right word after those `written`, None when the answer is complete."""

    def accepts(self, word: int) -> bool:
        """Whether `word` may follow what is written; by default only `next_word`."""
        return word == self.next_word(self.written)

    def finished(self) -> bool:
        """Whether what is written solves the problem."""
        return self.next_word(self.written) is None

    def reward(self) -> float:
        """Reward of the accepted word that was just written."""
        return 1 / self.problems if self.finished() else 0.0

    def token_name(self, token: int) -> str:
        """Name of a token of the prompt, for `render`."""
        return str(token)

    def word_name(self, word: int) -> str:
        """Name of a word; by default that of the token of the same number."""
        return self.token_name(word)

    def picture(self, axes: Axes) -> None:
        """Draw what was read and written; by default as text."""
        read, written = self._transcript()
        axes.text(0.5, 0.6, read, ha="center", va="bottom", wrap=True)
        axes.text(0.5, 0.5, written, ha="center", va="top", wrap=True, weight="bold")

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        """Draw a problem; the observation is its first token."""
        super().reset(seed=seed)
        self.solved = 0
        return self._next_problem(), {}

    def best_action(self) -> int:
        """An action that leads to a solution."""
        if self.read < len(self.prompt):
            return self.wait
        word = self.next_word(self.written)
        assert word is not None
        return word

    def step(self, action: int) -> tuple[int, float, bool, bool, dict[str, Any]]:
        """Read a token (`wait`) or write a word."""
        action = int(action)
        reading = self.read < len(self.prompt)
        if not (action == self.wait if reading else self.accepts(action)):
            return self.silence, 0.0, True, False, {"success": False}
        if reading:
            self.read += 1
            return self.prompt[self.read - 1], 0.0, False, False, {}
        self.written.append(action)
        reward = self.reward()
        if not self.finished():
            return self.silence, reward, False, False, {}
        self.solved += 1
        if self.solved == self.problems:
            return self.silence, reward, True, False, {"success": True}
        return self._next_problem(), reward, False, False, {}

    def render(self) -> str | np.ndarray | None:
        """What was read and written so far; None without a `render_mode`."""
        if self.render_mode == "rgb_array":
            return _draw_rgb(self.picture)
        return " | ".join(self._transcript()) if self.render_mode == "ansi" else None

    def _next_problem(self) -> int:
        self.prompt = self.draw()
        self.read, self.written = 1, list[int]()
        return self.prompt[0]

    def _transcript(self) -> tuple[str, str]:
        read = " ".join(map(self.token_name, self.prompt[: self.read]))
        return read, " ".join(map(self.word_name, self.written))


def _draw_rgb(draw: Callable[[Axes], None], inches: float = 4.0) -> np.ndarray:
    """What `draw` puts on an empty square drawing without frame, `[H, W, 3]` uint8."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # The text is data: a dollar sign does not start a formula.
    with matplotlib.rc_context({"text.parse_math": False}):
        figure = Figure(figsize=(inches, inches), layout="constrained")
        canvas = FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        axes.axis("off")
        draw(axes)
        canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
