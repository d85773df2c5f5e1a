"""The tables of `suite=worlds`: a line for each environment and world model."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

from benchmarks.rows import Row
from benchmarks.table import OverSeeds, Table, digits, groups, number, over_seeds, over_values
from nextlat_rl.metrics.trust_horizon import LADDER

_FIRST = " for the first time"  # ends the names of such events


def worlds_table(rows: Sequence[Row]) -> Table:
    """What the models know and what their dreams return."""
    columns = ["task", "world model", "bits a step", "return", "imagined", "imagined - real", "low", "high"]
    columns += ["steps trusted", "impossible returns in 1,000", "seeds"]
    lines = []
    for (part, agent), group in groups(rows, "part", "agent").items():
        gap, real = over_seeds(group, "imagined_gap"), over_seeds(group, "return_mean")
        bits = number(over_seeds(group, "answer_bits_total").mean, ".2f")
        line = [part, agent, f"<= {bits}" if group[0].figure("answer_is_bound") else bits]
        line += [number(real.mean, digits(real)), _mean(group, "imagined_return_mean", digits(real))]
        line += [_signed(gap, value) for value in (gap.mean, gap.low, gap.high)]
        line += [_mean(group, "trust_horizon", ".0f"), number(_impossible(group), ".0f"), str(gap.seeds)]
        lines.append(line)
    return Table("World models: the same data, the same seconds on one core", columns, lines, list(rows))


def dreams_table(rows: Sequence[Row]) -> Table:
    """Whether what they imagine exists, and what it costs."""
    columns = ["task", "world model", "views that exist", "of real ones", "contradictions a step", "of real ones"]
    columns += ["training s", "parameters", "imagined steps a second"]
    lines = []
    for (part, agent), group in groups(rows, "part", "agent").items():
        line = [part, agent]
        line += [_mean(group, name) for name in ("exist_share", "exist_share_real", "contradictions_per_step")]
        line += [_mean(group, "contradictions_per_step_real"), _mean(group, "train_seconds", ".0f")]
        line += [_mean(group, "parameters", ",.0f"), _mean(group, "imagined_steps_per_second", ",.0f")]
        lines.append(line)
    return Table("What world models imagine, and what it costs", columns, lines, list(rows))


def trust_table(rows: Sequence[Row]) -> Table:
    """How well dreams are told from real episodes, by horizon."""
    lines = []
    for (part, agent), group in groups(rows, "part", "agent").items():
        found = [row.figure("trust_auc") or {} for row in group]
        aucs = [over_values([tests[str(h)] for tests in found if str(h) in tests]).mean for h in LADDER]
        lines.append([part, agent, *(number(auc, ".2f") for auc in aucs)])
    columns = ["task", "world model", *map(str, LADDER)]
    return Table("Area under the curve of telling dreams from reality, by step", columns, lines, list(rows))


def events_table(rows: Sequence[Row]) -> Table:
    """How often something comes into view for the first time, by fifths of the time."""
    lines = []
    for (part, agent), group in groups(rows, "part", "agent").items():
        found = [event for row in group for event in row.figure("events") or [] if event["name"].endswith(_FIRST)]
        for name in dict.fromkeys(event["name"] for event in found):
            same = [event for event in found if event["name"] == name]
            for title, kind in (("real", "real"), ("dreams", "imagined")):
                fifths = zip_longest(*(event[kind] for event in same))
                rates = [over_values([rate for rate in fifth if rate is not None]).mean for fifth in fifths]
                cells = [number(rate, ".4f") for rate in rates]
                lines.append([part, agent, name.removesuffix(_FIRST), title, *cells, *[""] * (5 - len(cells))])
    columns = ["task", "world model", "first time that", "in", *(f"fifth {i}" for i in range(1, 6))]
    return Table("Chance a step that something comes into view for the first time", columns, lines, list(rows))


def _impossible(group: Sequence[Row]) -> float | None:
    """Impossible returns in 1,000 dreams."""
    counts = [(row.figure("impossible_returns"), row.figure("dreams")) for row in group]
    return over_values([1000 * count / dreams for count, dreams in counts if dreams]).mean


def _mean(group: Sequence[Row], figure: str, form: str = ".3f") -> str:
    return number(over_seeds(group, figure).mean, form)


def _signed(found: OverSeeds, value: float | None) -> str:
    return number(value, f"+{digits(found)}")
