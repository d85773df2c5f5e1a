"""Rows of timed pairs."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from benchmarks.rows import Row
from nextlat_rl.results import provenance


@dataclass(frozen=True)
class Timed:
    """What was timed.

    Attributes:
        measure: the unit of work.
        ours: name of our way.
        seconds: it takes for a unit.
        target: what is aimed for.
        rival: name of the other way; empty if there is none.
        rival_seconds: it takes for a unit.
        ratio: median of rival / ours round by round; None takes the ratio of the medians.
        cores: that both used; None is torch's thread count.

    """

    measure: str
    ours: str
    seconds: float
    target: str = ""
    rival: str = ""
    rival_seconds: float | None = None
    ratio: float | None = None
    cores: int | None = None

    def row(self, part: str, seed: int) -> Row:
        """The row of this pair."""
        ratio = self.ratio if self.ratio or not self.rival_seconds else self.rival_seconds / self.seconds
        given = {"target": self.target, "rival": self.rival, "rival_seconds": self.rival_seconds}
        return Row(
            "speed",
            part,
            self.ours,
            provenance(seed=seed, device="cpu", cores=self.cores or torch.get_num_threads()),
            measure=self.measure,
            value=self.seconds,
            speedup=ratio,
            extra={name: value for name, value in given.items() if value},
        )
