"""How many steps to draft: a fixed number, or what has paid best so far."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from nextlat_rl.tracing import Traced

_DECAY = 0.98
_TRIALS = 3  # rounds at each of a few lengths to begin with
_KEEP = 8  # rounds for which a choice stands: choosing costs a few per cent of a small trunk's pass
_WORTH = 1.05  # a draft has to promise that much over none: estimates are noisy, and a draft for nothing costs twice
_LOOK_AROUND = 8, 32  # choices between looks at another length: at first, and at most while nothing changes


class DraftLength(Protocol):
    """Chooses draft lengths, and is told what became of them."""

    longest: int

    def choose(self) -> int:
        """K for the next round."""

    def judged(self, asked: np.ndarray, kept: np.ndarray) -> None:
        """Where `asked: [N]` steps were to be drafted, `kept: [N]` came as drafted, from the start on.

        Steps behind an episode's end did not come, whether or not they were drafted.
        """

    def timed(self, asked: int, drafted: int, seconds: float) -> None:
        """A round took so long in which `drafted` steps of those `asked` for were guessed, fewer before an end.

        Rounds that also paid for a trace are left out.
        """


class FixedLength:
    """Always K."""

    def __init__(self, length: int) -> None:
        self.longest = length

    def choose(self) -> int:
        """K."""
        return self.longest

    def judged(self, asked: np.ndarray, kept: np.ndarray) -> None:
        """Nothing to learn."""

    def timed(self, asked: int, drafted: int, seconds: float) -> None:
        """Nothing to learn."""


class AdaptiveLength:
    """The K that yields most steps a second, from acceptance by position and from measured time; 0 where drafts lose.

    The chance that a draft survives position k is estimated from the rounds that came so far, the time of a round that
    guesses n steps as `a + b [n > 0] + c n` from the rounds' own durations, and from how many of K steps were guessed
    what a round with K will take, all with old rounds forgotten. The rule is SpecDec++'s (arXiv 2405.19715) with
    measured costs: go on while the next draft step is worth more than it costs.
    """

    def __init__(self, longest: int = 8) -> None:
        self.longest = longest
        self._reached = np.full(longest, 1e-9)
        self._kept = np.zeros(longest)
        self._asked = np.full(longest, 1e-9)
        self._drafted = np.full(longest, 1e-9)
        self._moments = np.zeros((3, 3))  # decayed sums of outer products of [1, n > 0, n], n steps guessed
        self._times = np.zeros(3)
        self._plan = [0, max(1, longest // 2), longest] * _TRIALS
        self._best, self._kept_for = 0, 0
        self._choices, self._patience, self._looked_up = 0, _LOOK_AROUND[0], True

    def choose(self) -> int:
        """First a few lengths in turn, then the best; now and then another one, so that a change is noticed.

        In turn none at all and one step more. While the best stays the same this is done ever less often: where drafts
        are of no use, each try is a loss.
        """
        if self._plan:
            return self._plan.pop()
        if self._kept_for:
            self._kept_for -= 1
            return self._best
        rates = self.rates()
        best = int(np.argmax(rates))
        before, self._best, self._kept_for = self._best, best if rates[best] > _WORTH * rates[0] else 0, _KEEP - 1
        self._choices += 1
        if self._best != before:
            self._patience = _LOOK_AROUND[0]
        if self._choices < self._patience:
            return self._best
        self._choices, self._patience = 0, min(2 * self._patience, _LOOK_AROUND[1])
        self._looked_up = not self._looked_up
        return min(self.longest, self._best + 1) if self._looked_up or not self._best else 0

    def rates(self) -> np.ndarray:
        """Expected steps a second for every K from 0 to `longest`."""
        chance = self._kept / self._reached
        steps = 1 + np.concatenate(([0.0], np.cumsum(np.cumprod(chance))))
        if not self._moments[0, 0]:
            return steps
        base, any_draft, slope = np.linalg.lstsq(self._moments, self._times, rcond=None)[0]
        guessed = self._drafted / self._asked  # chance that a draft gets to each position before an end
        seconds = base + np.concatenate(([0.0], any_draft * guessed[0] + slope * np.cumsum(guessed)))
        return steps / np.maximum(seconds, 1e-9)

    def judged(self, asked: np.ndarray, kept: np.ndarray) -> None:
        """Update the estimate of acceptance."""
        longest = int(asked.max(initial=0))  # what was not tried is not forgotten
        position = np.arange(longest)
        judged = np.minimum(kept + 1, asked)
        self._reached[:longest] = _DECAY * self._reached[:longest] + (judged[:, None] > position).sum(0)
        self._kept[:longest] = _DECAY * self._kept[:longest] + (kept[:, None] > position).sum(0)

    def timed(self, asked: int, drafted: int, seconds: float) -> None:
        """Update the estimates of cost and of how many steps are guessed."""
        features = np.array([1.0, float(drafted > 0), float(drafted)])
        self._moments = _DECAY * self._moments + np.outer(features, features)
        self._times = _DECAY * self._times + features * seconds
        self._asked[:asked] = _DECAY * self._asked[:asked] + 1.0
        self._drafted[:asked] = _DECAY * self._drafted[:asked] + (np.arange(asked) < drafted)


class RoundClock:
    """Times the rounds of an agent over its calls: what following a draft costs belongs to the round that made it."""

    def __init__(self, length: DraftLength) -> None:
        self._length, self._asked, self._drafted = length, 0, -1
        self._seconds, self._traces = 0.0, 0

    def next_round(self) -> int:
        """K for the round that begins; the one before is over."""
        if self._drafted >= 0 and Traced.made == self._traces:
            self._length.timed(self._asked, self._drafted, self._seconds)
        self._seconds, self._traces = 0.0, Traced.made
        self._asked = self._length.choose()
        return self._asked

    def drafted(self, length: int) -> None:
        """The round guessed `length` steps, which may be fewer than K."""
        self._drafted = length

    def spent(self, seconds: float) -> None:
        """A call took so long."""
        self._seconds += seconds


def draft_length(draft: str) -> DraftLength:
    """`adaptive`, or a fixed number of steps."""
    return AdaptiveLength() if draft == "adaptive" else FixedLength(int(draft))
