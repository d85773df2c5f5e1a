"""Tables for the terminal and for Markdown, and the means over training seeds that stand in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import rich.table

from benchmarks.rows import Row
from nextlat_rl.console import table
from nextlat_rl.statistics import seeds_interval


@dataclass(frozen=True)
class Table:
    """Cells of text, one figure a cell.

    Attributes:
        title: what the table shows.
        columns: headings.
        lines: cells, as many a line as there are columns.
        rows: the rows whose figures stand in it, for the caption.

    """

    title: str
    columns: list[str]
    lines: list[list[str]]
    rows: list[Row] = field(default_factory=list)

    def terminal(self) -> rich.table.Table:
        """For `rich`."""
        return table(self.title, self.columns, self.lines)

    def markdown(self) -> str:
        """A Markdown table with its caption."""
        words = [i == 0 or any(line[i][:1].isalpha() for line in self.lines) for i in range(len(self.columns))]
        lines = [self.columns, [":---" if word else "---:" for word in words], *self.lines]
        drawn = "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
        return f"{drawn}\n\n{caption(self.rows)}"


def caption(rows: Sequence[Row]) -> str:
    """What measures `rows` again, and at which revisions, when and with which seeds they were measured."""
    if not rows:
        return "*No rows.*"
    parts: dict[str, dict[str, None]] = {}
    for row in rows:
        parts.setdefault(row.suite, {})[row.part] = None
    commands = [f"`python -m benchmarks suite={suite} only={'+'.join(names)}`" for suite, names in parts.items()]
    revisions = sorted({row.provenance.git_revision for row in rows})
    dates = sorted(row.provenance.date[:10] for row in rows)
    when = dates[0] if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1]}"
    seeds = sorted({row.seed for row in rows})
    shown = f"seed {seeds[0]}" if len(seeds) == 1 else f"seeds {', '.join(map(str, seeds))}"
    return f"*{', '.join(commands)}; revision {', '.join(revisions)}; {when}; {shown}.*"


@dataclass(frozen=True)
class OverSeeds:
    """A figure over training seeds: its mean and the ends of its 95% Student interval.

    Attributes:
        mean: over the rows that have it; None if none has.
        low: None with fewer than two seeds.
        high: None with fewer than two seeds.
        seeds: how many.

    """

    mean: float | None
    low: float | None
    high: float | None
    seeds: int


def over_seeds(rows: Iterable[Row], figure: str, scale: float = 1.0) -> OverSeeds:
    """A figure of `rows`, each of another training seed, times `scale`."""
    return over_values([scale * float(value) for row in rows if (value := row.figure(figure)) is not None])


def over_values(values: Sequence[float]) -> OverSeeds:
    """A figure that each training seed has one value of."""
    low, high = seeds_interval(values) or (None, None)
    return OverSeeds(sum(values) / len(values) if values else None, low, high, len(values))


def number(value: float | None, form: str = ".3f") -> str:
    """A cell; empty for None."""
    return "" if value is None else format(value, form)


def interval_cells(found: OverSeeds, form: str = ".3f") -> list[str]:
    """Three cells: mean, low and high."""
    return [number(found.mean, form), number(found.low, form), number(found.high, form)]


def groups(rows: Iterable[Row], *names: str) -> dict[tuple[str, ...], list[Row]]:
    """Rows by the named fields, in the order in which they come; of each group the rows by seed."""
    found: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        found.setdefault(tuple(str(getattr(row, name)) for name in names), []).append(row)
    return {key: sorted(group, key=lambda row: row.seed) for key, group in found.items()}


def returns_table(
    title: str,
    rows: Sequence[Row],
    agent: Callable[[Row], str] = lambda row: row.agent,
    task: Callable[[Row], str] = lambda row: row.part,
) -> Table:
    """A line for each part and agent: return over training seeds, and what an evaluation took.

    Args:
        title: of the table.
        rows: those without a return are left out.
        agent: names the agent of a row.
        task: names the task of a row.

    """
    columns = ["task", "agent", "return", "low", "high", "seeds", "episodes", "success", "ms a decision"]
    lines, used = [], []
    for group in groups([row for row in rows if row.return_mean is not None], "part", "agent").values():
        found = over_seeds(group, "return_mean")
        line = [task(group[0]), agent(group[0]), *interval_cells(found, digits(found))]
        line += [str(found.seeds), number(group[0].episodes, ",")]
        line += [
            number(over_seeds(group, "success_rate").mean),
            number(over_seeds(group, "ms_per_decision").mean, ".2f"),
        ]
        lines.append(line)
        used += group
    return Table(title, columns, lines, used)


def digits(found: OverSeeds) -> str:
    """Format of a figure: three digits after the point for small ones, one for large ones."""
    return ".3f" if abs(found.mean or 0) < 10 else ".1f"


@dataclass(frozen=True)
class NamedTable:
    """A table of README or docs; a module in `benchmarks/tables` exports it as `TABLE`.

    Attributes:
        suites: whose stored rows it is made of.
        build: makes it of those rows.

    """

    suites: tuple[str, ...]
    build: Callable[[Sequence[Row]], Table]


@dataclass(frozen=True)
class Select:
    """Picks the rows of one agent: its training seeds.

    Attributes:
        suite: see `Row`.
        part: see `Row`.
        agent: see `Row`.
        measure: see `Row`.
        size: see `Row`.

    """

    suite: str
    part: str
    agent: str
    measure: str = ""
    size: str = ""

    def of(self, rows: Iterable[Row]) -> list[Row]:
        """Its rows, sorted by seed."""
        wanted = (self.suite, self.part, self.agent, self.measure, self.size)
        found = [row for row in rows if (row.suite, row.part, row.agent, row.measure, row.size) == wanted]
        return sorted(found, key=lambda row: row.seed)
