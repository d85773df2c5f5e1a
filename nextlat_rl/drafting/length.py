"""How many steps to draft: a fixed number, or what has paid best so far."""

from abc import ABC, abstractmethod

import numpy as np

from nextlat_rl.tracing import Traced

# What each is worth is measured in docs/notes/2026-11-26-draft-length.md, or fixed by a test of the promise named.
_DECAY = 0.99  # of old rounds, for others of their kind: a drafter that learns is asked again (test)
_PRIOR = 2.0  # drafts that a position is credited with, as good as the one before ("untried is not hopeless")
_TRIALS, _MOST_TRIALS = 3, 32  # timed rounds at each of a few lengths to begin with ("begin short"), and their most
_KEEP, _REST = 8, 32  # rounds for which a choice stands, and that of 0: choosing costs ("where drafts are useless")
_WORTH = 1.05  # speed-up that a draft has to promise ("a gain of 5% is asked")
_EQUAL = 0.995  # of lengths this close to the best the longest is taken (test: an end is no reason for shorter drafts)
_LOOK_AROUND = 64, 1024  # rounds between trials of another length, at first and at most (test: the longer nothing ...)
_LOOK = 2  # timed rounds of such a trial
_FLAT = 0.01  # variance of draft lengths, squared steps, at which half of their time's slope is believed
_SETTLED = 4, 1  # rounds without a draft, and with one, before others of their kind are timed ("time ... apart")


class DraftLength(ABC):
    """Chooses draft lengths, from reports of how drafts fared; by default it ignores these.

    Attributes:
        longest: the longest draft.
    """

    longest: int

    @abstractmethod
    def choose(self) -> int:
        """K for the next round."""

    def drafted(self, guessed: int, usable: int) -> None:  # noqa: B027
        """The round guessed so many of its K steps, of which so many can be of use: drafts stop at an episode's end."""

    def judged(self, judged: np.ndarray, kept: np.ndarray) -> None:  # noqa: B027
        """Of `judged: [N]` drafted steps in a row, `kept: [N]` turned out right from the start on."""

    def timed(self, length: int, seconds: float) -> None:  # noqa: B027
        """A round with drafts of `length` steps took so long; rounds in which anything was traced are left out."""


class FixedLength(DraftLength):
    """Always K."""

    def __init__(self, length: int) -> None:
        self.longest = length

    def choose(self) -> int:
        """K."""
        return self.longest


class AdaptiveLength(DraftLength):
    """The K that yields most steps a second, from acceptance by position and from measured time; 0 where drafts lose.

    Estimated position by position: the chance that a drafted step is right, and that there is one (drafts stop where
    they expect an episode's end). A round without a draft takes a time of its own, one with a draft `a + c guesses`.
    The rule is SpecDec++'s (arXiv 2405.19715) with measured costs: go on while the next step is worth what it costs.
    """

    def __init__(self, longest: int = 8) -> None:
        self.longest = longest
        self._right = _Survival(longest, at_first=0.0)
        self._guessed, self._usable = _Survival(longest, at_first=1.0), _Survival(longest, at_first=1.0)
        self._alone = np.zeros(2)  # decayed count and seconds of the rounds without a draft
        self._moments, self._times = np.zeros((2, 2)), np.zeros(2)  # of those with one: sums over [1, guesses]
        # Taken from the end: none, then one step, and longer drafts, which cost most, only if that one pays.
        self._plan = [k for k in (longest, max(1, longest // 2), 1, 0) for _ in range(_TRIALS)]
        self._rounds_to_plan = _MOST_TRIALS
        self._asked = 0
        self._alike = 0  # rounds in a row, the last one included, with a draft or without
        self._best, self._kept_for = 0, 0
        self._unchanged, self._patience, self._looked_up = 0, _LOOK_AROUND[0], True

    def choose(self) -> int:
        """First a few lengths in turn, then the best; now and then none or one step more, so that a change is noticed.

        While the best stays the same this is done ever less often: where drafts are of no use, each try is a loss.
        """
        length = self._planned() if self._plan else self._chosen()
        self._alike = self._alike + 1 if (length > 0) == (self._asked > 0) else 1
        self._asked = length
        return length

    def _planned(self) -> int:
        """The next length to try; it stays so until a round was timed, patience runs out, or long ones are hopeless."""
        length = self._plan[-1]
        if length > 1:
            rates = self.rates()
            if rates.max() <= _WORTH * rates[0]:
                self._plan = []
                return self._chosen()
        self._rounds_to_plan -= 1
        if not self._rounds_to_plan:
            self._plan = []
        return length

    def _chosen(self) -> int:
        """The best length, which stands for some rounds; or the beginning of a look at another."""
        if self._kept_for:
            self._kept_for -= 1
            return self._best
        rates = self.rates()
        best = int(np.flatnonzero(rates >= _EQUAL * rates.max())[-1])
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
        other = min(self.longest, self._best + 1) if self._looked_up or not self._best else 0
        self._plan, self._rounds_to_plan = [other] * _LOOK, _LOOK + 2 * _SETTLED[other > 0]
        return self._planned()

    def rates(self) -> np.ndarray:
        """Expected steps a second for every K from 0 to `longest`; steps alone while times are not known."""
        steps = 1 + np.concatenate(([0.0], np.cumsum(self._right.curve() * self._usable.curve())))
        if not (self._alone[0] and self._moments[0, 0]):
            return steps
        # With drafts of one length alone their time could be laid to either; as if it were the same for all of them.
        flat = np.diag([0.0, _FLAT * self._moments[0, 0]])
        base, slope = np.linalg.solve(self._moments + flat, self._times)
        seconds = base + slope * np.cumsum(self._guessed.curve())
        return steps / np.maximum(np.concatenate(([self._alone[1] / self._alone[0]], seconds)), 1e-9)

    def drafted(self, guessed: int, usable: int) -> None:
        """Update the estimate of how far drafts get."""
        if not self._asked:
            return
        for survival, count in ((self._guessed, guessed), (self._usable, usable)):
            survival.update(np.array([min(count + 1, self._asked)]), np.array([min(count, self._asked)]))

    def judged(self, judged: np.ndarray, kept: np.ndarray) -> None:
        """Update the estimate of acceptance."""
        self._right.update(judged, kept)

    def timed(self, length: int, seconds: float) -> None:
        """Update the estimate of cost; of rounds without drafts, where these do not pay, one in some is enough."""
        if self._alike <= (_SETTLED[1] if self._asked else _SETTLED[0]):
            return
        if self._plan:
            self._plan.pop()
        elif not (length or self._best) and self._kept_for % _KEEP:
            return
        if not length:
            self._alone = _DECAY * self._alone + np.array([1.0, seconds])
            return
        features = np.array([1.0, float(length)])
        self._moments = _DECAY * self._moments + np.outer(features, features)
        self._times = _DECAY * self._times + features * seconds


class _Survival:
    """How likely something gets past each of so many positions, from how far it got lately."""

    def __init__(self, longest: int, at_first: float) -> None:
        self.reached = np.full(longest, 1e-9)
        self.passed = at_first * self.reached

    def update(self, reached: np.ndarray, passed: np.ndarray) -> None:
        """Of `reached: [N]` positions, `passed: [N]` were passed; what was not reached is not forgotten."""
        longest = int(reached.max(initial=0))
        if not longest:
            return
        position = np.arange(longest)
        self.reached[:longest] = _DECAY * self.reached[:longest] + (reached[:, None] > position).sum(0)
        self.passed[:longest] = _DECAY * self.passed[:longest] + (passed[:, None] > position).sum(0)

    def curve(self) -> np.ndarray:
        """The chance to get past each position, `[longest]`; where little is known, as good as the one before."""
        chance = self.passed[0] / self.reached[0]
        steps = [chance]
        for passed, reached in zip(self.passed[1:], self.reached[1:], strict=True):
            chance = (passed + _PRIOR * chance) / (reached + _PRIOR)
            steps.append(chance)
        return np.cumprod(steps)


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

    def drafted(self, guessed: int, usable: int) -> None:
        """See `DraftLength.drafted`."""
        self._length.drafted(guessed, usable)
        self._drafted = guessed

    def spent(self, seconds: float) -> None:
        """A call took so long."""
        self._seconds += seconds


def draft_length(draft: str, longest: int = 8) -> DraftLength:
    """`adaptive` up to `longest`, or a fixed number of steps."""
    return AdaptiveLength(longest) if draft == "adaptive" else FixedLength(int(draft))
