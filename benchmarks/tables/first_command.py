"""What the README's first command prints at its end, from stored rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from io import StringIO
from typing import Any

from rich.console import Console

from benchmarks.rows import Row
from benchmarks.table import caption
from nextlat_rl.console import table
from nextlat_rl.jobs.evaluation import COLUMNS, cells
from nextlat_rl.jobs.report import gap_line

_SHOWN = len(COLUMNS) - 1  # milliseconds depend on the machine


class Printed:
    """The first seed's table of FourRooms as the terminal shows it."""

    suites = ("train",)

    def build(self, rows: Iterable[Row]) -> Printed:
        """Of the rows of FourRooms with seed 0."""
        self.rows = [row for row in rows if row.part == "FourRooms" and row.seed == 0]
        return self

    def markdown(self) -> str:
        """A block of text and its caption."""
        values = [_flat(row) for row in self.rows]
        title = f"{values[0]['env']}: {values[0]['episodes']} fresh episodes"
        shown = table(title, COLUMNS[:_SHOWN], [cells(row)[:_SHOWN] for row in values])
        text = StringIO()
        console = Console(file=text, width=120)
        console.print(shown)
        lines = [line.rstrip() for line in text.getvalue().splitlines()]
        lines += ["", gap_line(next(row for row in values if "imagined_gap" in row))]
        return "\n".join(["```text", *lines, "```", "", caption(self.rows)])


def _flat(row: Row) -> dict[str, Any]:
    values = {name: value for name, value in asdict(row).items() if value is not None}
    return values | values.pop("extra", {})


TABLE = Printed()
