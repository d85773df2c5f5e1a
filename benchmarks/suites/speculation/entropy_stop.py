"""Drafts that end where the drafter is unsure (AdaEDL, arXiv 2410.18351): a rival of the adaptive draft length."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from torch import Tensor

from nextlat_rl import FixedLength
from nextlat_rl.drafting.drafter import Drafter, SequentialDrafter
from nextlat_rl.drafting.drafters.nextlat import NextLatDrafter
from nextlat_rl.drafting.token import Token, from_parts, sample_token, stack, token_log_prob
from nextlat_rl.memory import Memory
from nextlat_rl.tracing import Traced

ScoredGuess = Callable[[Tensor, Token, Tensor], tuple[Tensor, Token, Tensor]]

_GAMMA = 0.2  # of AdaEDL's bound on acceptance, 1 - sqrt(gamma H)
_THRESHOLD = 0.5  # of the bound, to begin with
_STEP = 0.01  # by which it moves after a round
_ACCEPTED = 0.9  # share of drafted steps that are to be kept
_MEMORY = 0.5  # weight of the share so far against a new round's


class EntropyStop(FixedLength):
    """Drafts go on while `1 - sqrt(gamma H)`, a bound on the chance of acceptance, stays above a threshold.

    The entropy H of a step is estimated by the surprisal of what was drawn: the entropy of some 150 parts costs what
    their log-probabilities do. The threshold moves so that nine drafted steps of ten are kept. One step is always
    drafted.
    """

    def __init__(self, longest: int = 8) -> None:
        super().__init__(longest)
        self.threshold = _THRESHOLD
        self._share, self._drafted = _ACCEPTED, 0

    def goes_on(self, log_q: Tensor) -> bool:
        """Whether to draft beyond steps of log-probability `log_q: [R]`, one in each row that goes on."""
        bound = 1 - (_GAMMA * -log_q).clamp_min(0).sqrt()
        return float(bound.mean()) >= self.threshold

    def drafted(self, guessed: int, usable: int) -> None:
        """Remember how long the draft became."""
        self._drafted = guessed

    def judged(self, judged: np.ndarray, kept: np.ndarray) -> None:
        """Lower the threshold where more was kept than is wanted, raise it where less was."""
        if not self._drafted:
            return
        self._share = _MEMORY * self._share + (1 - _MEMORY) * float(kept.mean()) / self._drafted
        step = _STEP if self._share < _ACCEPTED else -_STEP
        self.threshold = min(1.0, max(0.0, self.threshold + step))


class UntilUnsure(Drafter):
    """A drafter that guesses step by step, stopped where an `EntropyStop` says so.

    Args:
        drafter: guesses.
        stop: sees the log-probability of each guess before the next one, and is the length of the roll-out.

    """

    def __init__(self, drafter: SequentialDrafter, stop: EntropyStop) -> None:
        self.drafter, self.stop = drafter, stop
        self._scored_guess = scored_guess(drafter)

    def begin(self, memory: Memory) -> None:
        """See `Drafter.begin`."""
        self.drafter.begin(memory)

    def draft(self, belief: Tensor, token: Token, uniform: Tensor) -> Token:
        """Draft while the bound is high, as many steps as there is noise for, or to the end of the episode."""
        self.drafter.prepare(belief)
        tokens, feature, ended = [], belief, token.end
        for k in range(uniform.shape[1]):
            feature, token, log_q = self._scored_guess(feature, token, uniform[:, k])
            tokens.append(token)
            ended = ended | token.end
            if ended.all() or not self.stop.goes_on(log_q[~ended]):
                break
        return stack(tokens)

    def advance(self, belief: Tensor, chunk: Token, hidden: Tensor, kept: Tensor) -> None:
        """See `Drafter.advance`."""
        self.drafter.advance(belief, chunk, hidden, kept)


def scored_guess(drafter: SequentialDrafter) -> ScoredGuess:
    """`drafter.guess` with the log-probability `[B]` of the step; of the latent dynamics in one trace, to be fair."""
    heads, names = drafter.heads, list(drafter.heads.observation)
    if not isinstance(drafter, NextLatDrafter):
        log_prob = Traced(heads, lambda feature, *parts: token_log_prob(heads, feature, from_parts(names, parts)))

        def one_by_one(feature: Tensor, token: Token, uniform: Tensor) -> tuple[Tensor, Token, Tensor]:
            feature, token = drafter.guess(feature, token, uniform)
            return feature, token, log_prob(feature, *token.parts())

        return one_by_one

    def scored(feature: Tensor, uniform: Tensor, *parts: Tensor) -> tuple[Tensor, ...]:
        feature = drafter.next_feature(feature, from_parts(names, parts))
        token = sample_token(heads, feature, uniform)
        return feature, token_log_prob(heads, feature, token), *token.parts()

    traced = Traced(heads, scored)

    def at_once(feature: Tensor, token: Token, uniform: Tensor) -> tuple[Tensor, Token, Tensor]:
        feature, log_q, *parts = traced(feature, uniform, *token.parts())
        return feature, from_parts(names, parts), log_q

    return at_once
