"""What must hold: killed commands go on to the same bytes, damaged files are refused, memory is flat."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.options import Options
from benchmarks.rows import Row, make_row
from benchmarks.suite import Part, Suite
from benchmarks.suites.trust.area import Area, Found
from benchmarks.suites.trust.flat import MOST, grown
from benchmarks.suites.trust.jobs import JOBS, Job
from benchmarks.suites.trust.mutated import cases, counts, outcomes
from benchmarks.table import Table
from nextlat_rl.errors import UserError
from nextlat_rl.results import provenance

_KILLS, _QUICK_KILLS = 3, 1  # of one job, one after the other, before it may end
_CHAINS, _QUICK_CHAINS = 5, 1  # jobs a part
_QUICK_LEFT_OUT = ("interrupted", "store", "rounds")  # what they do others do too
_STEPS, _QUICK_STEPS = 20_000, 500
_MUTATED, _MEMORY = "mutated", "memory"
_EVERY = 6  # of the cases, with `quick`
_BAD = ("leftovers", "orphans", "doubled", "missing", "late", "slow", "large", "other")


class TrustSuite(Suite):
    """See the module."""

    name = "trust"
    about = "commands that are killed go on to the same bytes; damaged files are refused; memory does not grow"

    def parts(self, size: str = "cpu") -> list[Part]:
        """See `Suite`."""
        return [*(Part(name) for name in JOBS), Part(_MUTATED, seeded=False), Part(_MEMORY, seeded=False)]

    def measure_all(self, parts: Sequence[str], options: Options, console: Console) -> Iterator[Row]:
        """See `Suite`; with `quick` and without `only` some of the parts are left out.

        Raises:
            UserError: at the end, if anything that was promised does not hold.

        """
        faults: dict[object, str] = {}
        chosen = [part for part in parts if options.only or not options.quick or part not in _QUICK_LEFT_OUT]
        for row in super().measure_all(chosen, options, console):
            faults[row.key] = _fault(row, options)
            yield row
        if found := "; ".join(filter(None, faults.values())):
            raise UserError(f"suite=trust has found faults: {found}")

    def measure(self, part: str, seed: int, options: Options, console: Console) -> Iterator[Row]:
        """A row after each killed job, of all killed so far; of the two other parts what they count."""
        with tempfile.TemporaryDirectory(dir=_folder(options)) as name:
            if part == _MEMORY:
                for agent, values in grown(_QUICK_STEPS if options.quick else _STEPS):
                    yield _row(part, agent, seed, values)
            elif part == _MUTATED:
                yield _mutated(Path(name), seed, options, console)
            else:
                yield from _killed_jobs(Path(name), part, seed, options, console)

    def tables(self, rows: Sequence[Row]) -> list[Table]:
        """See `Suite`."""
        return [killed_table(rows), mutated_table(rows), memory_table(rows)]


def killed_table(rows: Sequence[Row]) -> Table:
    """What became of the commands that were killed."""
    columns = ["killed while", "kills", "jobs", "equal", "leftovers", "orphans", "doubled", "missing", "late"]
    chosen = [row for row in rows if row.agent == "killed"]
    lines = [[row.part, *(str(row.figure(name)) for name in columns[1:])] for row in chosen]
    return Table("Killed at random instants, and the same command again", columns, lines, chosen)


def mutated_table(rows: Sequence[Row]) -> Table:
    """How damaged files were refused."""
    columns = ["cases", "clear", "slow", "large", "other"]
    chosen = [row for row in rows if row.part == _MUTATED]
    return Table("Damaged files", columns, [[str(row.figure(name)) for name in columns] for row in chosen], chosen)


def memory_table(rows: Sequence[Row]) -> Table:
    """How much memory grew."""
    chosen = [row for row in rows if row.part == _MEMORY]
    forms = {"steps": ",", "mb_before": ".1f", "mb_after": ".1f", "growth": "+.2%"}
    lines = [[row.agent, *(format(row.figure(name), form) for name, form in forms.items())] for row in chosen]
    columns = ["while", "steps", "MB after a tenth", "MB after all", "growth"]
    return Table("Memory over many steps", columns, lines, chosen)


def _killed_jobs(root: Path, part: str, seed: int, options: Options, console: Console) -> Iterator[Row]:
    job, draw = JOBS[part], random.Random(f"{part} {seed}")
    whole = Area(root / "whole").prepared(job, None)
    whole.run(job.command)
    seconds = Area(root / "timed").prepared(job, whole).run(job.command)  # everything is loaded by now
    wanted, total, kills = whole.found(), Found(), 0
    for chain in range(_QUICK_CHAINS if options.quick else _CHAINS):
        area = Area(root / f"killed-{chain}").prepared(job, whole)
        kills += _killed(area, job, seconds, draw, _QUICK_KILLS if options.quick else _KILLS)
        total += area.found().compared_with(wanted)
        yield _row(
            part, "killed", seed, {"kills": kills, "jobs": chain + 1, "whole_seconds": seconds} | total.as_dict()
        )
        console.print(f"  {part}: {kills} kills, {total.equal} of {chain + 1} jobs equal", highlight=False)
        if other := total.content["other"]:
            console.print(f"  differs: {', '.join(other)[:1000]}", highlight=False)


def _killed(area: Area, job: Job, seconds: float, draw: random.Random, most: int) -> int:
    """Kill the command and start it again until it ends before its kill, or may end; how often it was killed."""
    for kills in range(most):
        if not area.killed(job, draw.uniform(*job.window) * seconds):
            return kills
    area.run(job.command)
    return most


def _mutated(root: Path, seed: int, options: Options, console: Console) -> Row:
    area = Area(root / "whole")
    area.run(JOBS["train"].command)
    found = []
    for case, outcome in outcomes(area, cases()[:: _EVERY if options.quick else 1]):
        found.append(outcome)
        if outcome != "clear":
            console.print(f"  {case.file}, {case.name}: {outcome}", highlight=False)
    return _row(_MUTATED, "commands", seed, counts(found))


def _fault(row: Row, options: Options) -> str:
    """What a row shows that was promised not to be, if anything."""
    bad = [f"{row.figure(name)} {name}" for name in _BAD if row.figure(name)]
    if row.agent == "killed" and row.figure("equal") < row.figure("jobs"):
        bad.append(f"{row.figure('equal')} of {row.figure('jobs')} jobs equal")
    if not options.quick and (row.figure("growth") or 0) > MOST:  # a few steps say nothing
        bad.append(f"memory grows by {row.figure('growth'):.1%} while {row.agent}")
    return f"{row.part}: {', '.join(bad)}" if bad else ""


def _folder(options: Options) -> Path:
    folder = Path(options.runs).absolute() / "trust"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _row(part: str, agent: str, seed: int, values: Mapping[str, Any]) -> Row:
    return make_row("trust", part, agent, provenance(seed=seed, device="cpu", cores=1), values)


SUITE = TrustSuite()
