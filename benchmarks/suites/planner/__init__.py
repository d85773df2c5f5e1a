"""What planning and improvement in imagination add to the policy, beside rivals on the same evaluation episodes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console

from benchmarks.options import Options
from benchmarks.rows import Row
from benchmarks.suite import Part, Suite
from benchmarks.suites.planner.tasks import IMPROVED, PLANNED, RIVALS
from benchmarks.table import Table, returns_table


class PlannerSuite(Suite):
    """See the package."""

    name = "planner"
    about = "planners and improvement in imagination, and rivals on FourRooms (d3rlpy's need d3rlpy=)"

    def parts(self, size: str = "cpu") -> list[Part]:
        """See `Suite`."""
        ours = [Part(name) for name in (*PLANNED, *IMPROVED)]
        return ours + [Part(name, apart=name == "rival-d3rlpy") for name in RIVALS]

    def measure(self, part: str, seed: int, options: Options, console: Console) -> Iterator[Row]:
        """See `Suite`."""
        from benchmarks.suites.planner import improved, planned, rivals

        measures = dict.fromkeys(PLANNED, planned.rows) | dict.fromkeys(IMPROVED, improved.rows)
        yield from (measures | dict.fromkeys(RIVALS, rivals.rows))[part](part, seed, options, console)

    def tables(self, rows: Sequence[Row]) -> list[Table]:
        """See `Suite`."""
        mixed = [row for row in rows if row.part in IMPROVED]
        planned = [row for row in rows if row.part not in IMPROVED]
        return [
            returns_table("Planners and rivals, mean return over training seeds", planned),
            returns_table("From poor data, mean return over training seeds", mixed),
        ]

    def figures(self, rows: Sequence[Row], folder: Path) -> list[Path]:
        """See `Suite`."""
        from benchmarks.suites.planner.figures import draw

        return draw(rows, folder)


SUITE = PlannerSuite()
