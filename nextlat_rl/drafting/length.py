"""How many steps to draft: a fixed number, or what has paid best so far."""

from __future__ import annotations

from typing import Protocol

import numpy as np

_DECAY = 0.98
_TRIALS = 2  # rounds at each length tried first


class DraftLength(Protocol):
    """Chooses a draft length before each round, and is told how the round went."""

    longest: int

    def choose(self) -> int:
        """K for the next round."""

    def report(self, length: int, kept: np.ndarray, seconds: float) -> None:
        """A round of `length` drafts a row took `seconds`; `kept: [rows]` were accepted in the rows still running."""


class FixedLength:
    """Always K."""

    def __init__(self, length: int) -> None:
        self.longest = length

    def choose(self) -> int:
        """K."""
        return self.longest

    def report(self, length: int, kept: np.ndarray, seconds: float) -> None:
        """Nothing to learn."""


class AdaptiveLength:
    """The K that yields most steps a second, from acceptance by position and from measured time; 0 where drafts lose.

    The chance that a draft survives position k is estimated from the rounds that came so far, the time of a round as
    `a + b K` from the rounds' own durations, both with old rounds forgotten. The rule is SpecDec++'s (arXiv 2405.19715)
    with measured costs: go on while the next draft step is worth more than it costs.
    """

    def __init__(self, longest: int = 8) -> None:
        self.longest = longest
        self._reached = np.full(longest, 1e-9)
        self._kept = np.zeros(longest)
        self._moments = np.zeros((2, 2))  # decayed sums of [1, K] outer products
        self._times = np.zeros(2)
        self._plan = [0, longest, max(1, longest // 2)] * _TRIALS
        self._rounds = 0

    def choose(self) -> int:
        """First a few lengths in turn, then the best; now and then another one, so that a change is noticed."""
        if self._plan:
            return self._plan.pop()
        best = int(np.argmax(self.rates()))
        self._rounds += 1
        return min(self.longest, best + 1) if self._rounds % 32 == 0 else best

    def rates(self) -> np.ndarray:
        """Expected steps a second for every K from 0 to `longest`."""
        chance = self._kept / self._reached
        steps = 1 + np.concatenate(([0.0], np.cumsum(np.cumprod(chance))))
        base, slope = np.linalg.lstsq(self._moments, self._times, rcond=None)[0]
        seconds = base + slope * np.arange(self.longest + 1)
        return steps / np.maximum(seconds, 1e-9)

    def report(self, length: int, kept: np.ndarray, seconds: float) -> None:
        """Update the estimates; the very first round of each kind also pays for tracing and is not timed."""
        position = np.arange(length)
        self._reached[:length] = _DECAY * self._reached[:length] + (kept[:, None] >= position).sum(0)
        self._kept[:length] = _DECAY * self._kept[:length] + (kept[:, None] > position).sum(0)
        if len(self._plan) >= 3 * (_TRIALS - 1):
            return
        features = np.array([1.0, float(length)])
        self._moments = _DECAY * self._moments + np.outer(features, features)
        self._times = _DECAY * self._times + features * seconds
