"""Speculation: imagining with every drafter, and deciding ahead of time, each against doing without."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console

from benchmarks.options import Options
from benchmarks.rows import Row
from benchmarks.suite import Part, Suite
from benchmarks.suites.speculation.tables import acting_table, imagination_table, risk_table
from benchmarks.suites.speculation.tasks import TASKS
from benchmarks.table import Table, returns_table


class SpeculationSuite(Suite):
    """See the package."""

    name = "speculation"
    about = "speculative imagination with every drafter, and speculative acting, against doing without; one core"

    def parts(self, size: str = "cpu") -> list[Part]:
        """See `Suite`."""
        return [Part(name) for name in TASKS]

    def measure(self, part: str, seed: int, options: Options, console: Console) -> Iterator[Row]:
        """See `Suite`."""
        from benchmarks.suites.speculation.measured import rows

        yield from rows(part, seed, options, console)

    def tables(self, rows: Sequence[Row]) -> list[Table]:
        """See `Suite`."""
        trained = [row for row in rows if not row.measure]
        return [
            returns_table("The trunks, mean return over training seeds", trained),
            imagination_table(rows),
            acting_table(rows),
            risk_table(rows),
        ]

    def figures(self, rows: Sequence[Row], folder: Path) -> list[Path]:
        """See `Suite`."""
        from benchmarks.suites.speculation.figures import draw

        return draw(rows, folder)


SUITE = SpeculationSuite()
