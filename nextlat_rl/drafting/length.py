"""How many steps to draft: a fixed number, or what has paid best so far."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from nextlat_rl.tracing import Traced

_DECAY = 0.98
_KNOWN = 0.5  # drafts judged at a position
_TRIALS = 3  # rounds at each of a few lengths to begin with
_KEEP, _REST = 8, 32  # rounds for which a choice stands, and that of 0: choosing costs some per cent of a small pass
_WORTH = 1.05  # a draft has to promise that much over none: estimates are noisy, and a draft for nothing costs twice
_LOOK_AROUND = 64, 256  # rounds between looks at another length: at first, and at most while nothing changes


class DraftLength(Protocol):
    """Chooses draft lengths, and is told what became of them."""

    longest: int

    def choose(self) -> int:
        """K for the next round."""

    def judged(self, judged: np.ndarray, kept: np.ndarray) -> None:
        """Of `judged: [N]` drafted steps in a row, `kept: [N]` turned out right from the start on."""

    def timed(self, length: int, seconds: float) -> None:
        """A round with drafts of `length` steps took so long; those that also traced, or did not yet, are left out."""


class FixedLength:
    """Always K."""

    def __init__(self, length: int) -> None:
        self.longest = length

    def choose(self) -> int:
        """K."""
        return self.longest

    def judged(self, judged: np.ndarray, kept: np.ndarray) -> None:
        """Nothing to learn."""

    def timed(self, length: int, seconds: float) -> None:
        """Nothing to learn."""


class AdaptiveLength:
    """The K that yields most steps a second, from acceptance by position and from measured time; 0 where drafts lose.

    The chance that a draft survives position k is estimated from the rounds that came so far, the time of a round as
    `a + b [K > 0] + c K` from the rounds' own durations, both with old rounds forgotten. The rule is SpecDec++'s (arXiv
    2405.19715) with measured costs: go on while the next draft step is worth more than it costs.
    """

    def __init__(self, longest: int = 8) -> None:
        self.longest = longest
        self._reached = np.full(longest, 1e-9)
        self._kept = np.zeros(longest)
        self._moments = np.zeros((3, 3))  # decayed sums of outer products of [1, K > 0, K]
        self._times = np.zeros(3)
        self._plan = [0, max(1, longest // 2), longest] * _TRIALS
        self._best, self._kept_for = 0, 0
        self._unchanged, self._patience, self._looked_up = 0, _LOOK_AROUND[0], True

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
        before, self._best = self._best, best if rates[best] > _WORTH * rates[0] else 0
        stands = _KEEP if self._best else _REST
        self._kept_for = stands - 1
        self._unchanged += stands
        if self._best != before:
            self._patience = _LOOK_AROUND[0]
        if self._unchanged < self._patience:
            return self._best
        self._unchanged, self._patience = 0, min(2 * self._patience, _LOOK_AROUND[1])
        self._looked_up = not self._looked_up
        return min(self.longest, self._best + 1) if self._looked_up or not self._best else 0

    def rates(self) -> np.ndarray:
        """Expected steps a second for every K from 0 to `longest`."""
        # Where no draft has got to yet, its chance is that of the last position known: ends cut drafts for free.
        known = np.maximum.accumulate(np.where(self._reached > _KNOWN, np.arange(self.longest), 0))
        chance = (self._kept / self._reached)[known]
        steps = 1 + np.concatenate(([0.0], np.cumsum(np.cumprod(chance))))
        if not self._moments[0, 0]:
            return steps
        base, any_draft, slope = np.linalg.lstsq(self._moments, self._times, rcond=None)[0]
        length = np.arange(self.longest + 1)
        seconds = base + any_draft * (length > 0) + slope * length
        return steps / np.maximum(seconds, 1e-9)

    def judged(self, judged: np.ndarray, kept: np.ndarray) -> None:
        """Update the estimate of acceptance."""
        longest = int(judged.max(initial=0))  # what was not tried is not forgotten
        if not longest:
            return
        position = np.arange(longest)
        self._reached[:longest] = _DECAY * self._reached[:longest] + (judged[:, None] > position).sum(0)
        self._kept[:longest] = _DECAY * self._kept[:longest] + (kept[:, None] > position).sum(0)

    def timed(self, length: int, seconds: float) -> None:
        """Update the estimate of cost; of rounds without drafts, where these do not pay, one in some is enough."""
        if not (length or self._best) and self._kept_for % _KEEP:
            return
        features = np.array([1.0, float(length > 0), float(length)])
        self._moments = _DECAY * self._moments + np.outer(features, features)
        self._times = _DECAY * self._times + features * seconds


class RoundClock:
    """Times the rounds of an agent over its calls: what following a draft costs belongs to the round that made it."""

    def __init__(self, length: DraftLength) -> None:
        self._length, self._drafted = length, -1
        self._seconds, self._traces = 0.0, 0

    def next_round(self) -> int:
        """K for the round that begins; the one before is over."""
        if self._drafted >= 0 and Traced.slow == self._traces:
            self._length.timed(self._drafted, self._seconds)
        self._seconds, self._traces = 0.0, Traced.slow
        return self._length.choose()

    def drafted(self, length: int) -> None:
        """The round guessed `length` steps, which may be fewer than K."""
        self._drafted = length

    def spent(self, seconds: float) -> None:
        """A call took so long."""
        self._seconds += seconds


def draft_length(draft: str, longest: int = 8) -> DraftLength:
    """`adaptive` up to `longest`, or a fixed number of steps."""
    return AdaptiveLength(longest) if draft == "adaptive" else FixedLength(int(draft))
