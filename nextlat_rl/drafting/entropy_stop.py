"""Stopping a draft where it grows unsure, a control beside the adaptive length (AdaEDL, arXiv 2410.18351)."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from nextlat_rl.drafting.length import FixedLength

_GAMMA = 0.2  # of AdaEDL's bound on acceptance, 1 - sqrt(gamma H)
_THRESHOLD = 0.5  # of the bound, to begin with
_STEP = 0.01  # by which it moves after a round
_ACCEPTED = 0.9  # share of drafted steps that are to be kept
_MEMORY = 0.5  # weight of the share so far against a new round's


class EntropyStop(FixedLength):
    """Drafts go on while `1 - sqrt(gamma H)`, a bound on the chance of acceptance, stays above a threshold.

    The entropy H of a step is estimated by the surprisal of what was drawn: the entropy of some 150 parts costs what
    their log-probabilities do. A step is drafted or not by what was drawn before it alone, so the verify step stays
    exact. The threshold moves so that nine drafted steps of ten are kept. One step is always drafted.
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
