"""How fast things are, each beside a rival: both timed in turn in one process, medians of interleaved rounds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console

from benchmarks.options import Options
from benchmarks.rows import Row
from benchmarks.suite import Part, Suite
from benchmarks.table import Table, number

PARTS = ("training", "data", "acting", "packed", "startup", "lookahead", "imagination")


def speed_table(rows: Sequence[Row]) -> Table:
    """A line for each measure."""
    columns = ["measure", "ours", "ms", "rival", "rival's ms", "times as fast", "aim"]
    lines = []
    for row in rows:
        rival = row.figure("rival_seconds")
        line = [row.measure, row.agent, number(1000 * (row.value or 0), ".4g"), row.figure("rival") or ""]
        line += [number(1000 * rival, ".4g") if rival else "", number(row.speedup, ".2f"), row.figure("target") or ""]
        lines.append(line)
    return Table("Speed, medians of interleaved rounds", columns, lines, list(rows))


class SpeedSuite(Suite):
    """See the package."""

    name = "speed"
    about = "training, data, acting and planning, each timed beside a rival (lookahead beside mctx: extra `bench`)"

    def parts(self, size: str = "cpu") -> list[Part]:
        """See `Suite`."""
        return [Part(name, seeded=False) for name in PARTS]

    def measure(self, part: str, seed: int, options: Options, console: Console) -> Iterator[Row]:
        """See `Suite`."""
        from benchmarks.suites.speed import imagination, lookahead, pairs

        measures = pairs.MEASURES | {"lookahead": lookahead.rows, "imagination": imagination.rows}
        for row in measures[part](part, seed, options, console):
            fast = f", {row.speedup:.2f} times as fast as {row.figure('rival')}" if row.speedup else ""
            console.print(f"{row.measure}: {row.agent} {1000 * (row.value or 0):.4g} ms{fast}", highlight=False)
            yield row

    def tables(self, rows: Sequence[Row]) -> list[Table]:
        """See `Suite`."""
        return [speed_table(rows)]


SUITE = SpeedSuite()
