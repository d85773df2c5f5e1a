"""World models of several kinds on the same data, for the same time on one core: what they know and what they dream."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console

from benchmarks.options import Options
from benchmarks.rows import Row
from benchmarks.suite import Part, Suite
from benchmarks.suites.worlds.tables import dreams_table, events_table, trust_table, worlds_table
from benchmarks.suites.worlds.tasks import TASKS
from benchmarks.table import Table


class WorldsSuite(Suite):
    """See the package."""

    name = "worlds"
    about = "our world model, DreamerV3's (needs sheeprl=) and a per-cell transformer, and what their dreams are worth"

    def parts(self, size: str = "cpu") -> list[Part]:
        """See `Suite`."""
        return [Part(name) for name in TASKS]

    def measure(self, part: str, seed: int, options: Options, console: Console) -> Iterator[Row]:
        """See `Suite`."""
        from benchmarks.suites.worlds import measured

        yield from measured.rows(part, seed, options, console)

    def tables(self, rows: Sequence[Row]) -> list[Table]:
        """See `Suite`."""
        return [worlds_table(rows), dreams_table(rows), trust_table(rows), events_table(rows)]


SUITE = WorldsSuite()
