"""The world model inside Stable-Baselines3: PPO in imagination, and learning curves on beliefs and imagined replay."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console

from benchmarks.options import Options
from benchmarks.rows import Row
from benchmarks.suite import Part, Suite
from benchmarks.suites.sb3.contestants import CURVES
from benchmarks.suites.sb3.dreamers import DREAMS
from benchmarks.suites.sb3.tables import final_table, steps_table
from benchmarks.table import Table, returns_table


class Sb3Suite(Suite):
    """See the package."""

    name = "sb3"
    about = "PPO in imagination; SB3's agents on beliefs and with imagined replay beside the same agents without"

    def parts(self, size: str = "cpu") -> list[Part]:
        """See `Suite`."""
        return [Part(name) for name in (*DREAMS, *CURVES)]

    def measure(self, part: str, seed: int, options: Options, console: Console) -> Iterator[Row]:
        """See `Suite`."""
        from benchmarks.suites.sb3 import curves, imagined

        rows = curves.rows if part in CURVES else imagined.rows
        yield from rows(part, seed, options, console)

    def tables(self, rows: Sequence[Row]) -> list[Table]:
        """See `Suite`."""
        others = [row for row in rows if row.measure != "curve"]
        return [returns_table("Mean return over training seeds", others), final_table(rows), steps_table(rows)]

    def figures(self, rows: Sequence[Row], folder: Path) -> list[Path]:
        """See `Suite`."""
        from benchmarks.suites.sb3.figures import draw

        return draw(rows, folder)


SUITE = Sb3Suite()
