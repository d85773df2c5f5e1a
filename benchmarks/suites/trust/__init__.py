"""Commands that are killed at random instants: do they go on to the same bytes, and leave nothing behind?"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console

from benchmarks.options import Options
from benchmarks.rows import Row, make_row
from benchmarks.suite import Part, Suite
from benchmarks.suites.trust.area import Area, Found
from benchmarks.suites.trust.jobs import JOBS, Job
from benchmarks.table import Table
from nextlat_rl.results import provenance

_KILLS = 3  # of one job, one after the other, before it may end
_CHAINS, _QUICK_CHAINS = 5, 1  # jobs a part
_QUICK_PARTS = ("train", "gather")


class TrustSuite(Suite):
    """See the module."""

    name = "trust"
    about = "commands that are killed at random instants go on to the same bytes"

    def parts(self, size: str = "cpu") -> list[Part]:
        """See `Suite`."""
        return [Part(name) for name in JOBS]

    def measure(self, part: str, seed: int, options: Options, console: Console) -> Iterator[Row]:
        """A row after each killed job, of all killed so far; with `quick` a short job of two of the parts alone."""
        if options.quick and part not in _QUICK_PARTS and not options.only:
            return
        job, draw = JOBS[part], random.Random(f"{part} {seed}")
        with tempfile.TemporaryDirectory(dir=_folder(options)) as name:
            root = Path(name)
            whole = Area(root / "whole").prepared(job, None)
            whole.run(job.command)
            seconds = Area(root / "timed").prepared(job, whole).run(job.command)  # everything is loaded by now
            wanted, total, kills = whole.found(), Found(), 0
            for chain in range(_QUICK_CHAINS if options.quick else _CHAINS):
                area = Area(root / f"killed-{chain}").prepared(job, whole)
                kills += _killed(area, job, seconds, draw)
                total += area.found().compared_with(wanted)
                yield _row(part, seed, kills, chain + 1, seconds, total)
                console.print(f"  {part}: {kills} kills, {total.equal} of {chain + 1} jobs equal", highlight=False)
                if other := total.content["other"]:
                    console.print(f"  differs: {', '.join(other)[:1000]}", highlight=False)

    def tables(self, rows: Sequence[Row]) -> list[Table]:
        """See `Suite`."""
        columns = ["killed while", "kills", "jobs", "equal", "leftovers", "orphans", "doubled", "missing", "late"]
        lines = [[row.part, *(str(row.figure(name)) for name in columns[1:])] for row in rows]
        return [Table("Killed at random instants, and the same command again", columns, lines, list(rows))]


def _folder(options: Options) -> Path:
    folder = Path(options.runs).absolute() / "trust"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _killed(area: Area, job: Job, seconds: float, draw: random.Random) -> int:
    """Kill the command and start it again until it ends before its kill, or may end; how often it was killed."""
    for kills in range(_KILLS):
        if not area.killed(job, draw.uniform(*job.window) * seconds):
            return kills
    area.run(job.command)
    return _KILLS


def _row(part: str, seed: int, kills: int, jobs: int, seconds: float, total: Found) -> Row:
    values = {"kills": kills, "jobs": jobs, "whole_seconds": seconds} | total.as_dict()
    return make_row("trust", part, "killed", provenance(seed=seed, device="cpu", cores=1), values)


SUITE = TrustSuite()
