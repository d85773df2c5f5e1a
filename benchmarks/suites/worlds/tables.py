"""The tables of `suite=worlds`: a line for each environment and world model."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.rows import Row
from benchmarks.table import OverSeeds, Table, digits, groups, number, over_seeds


def worlds_table(rows: Sequence[Row]) -> Table:
    """What the models know and what their dreams return."""
    columns = ["task", "world model", "bits a step", "return", "imagined", "imagined - real", "low", "high"]
    columns += ["steps trusted", "impossible returns", "seeds"]
    lines = []
    for (part, agent), group in groups(rows, "part", "agent").items():
        gap, real = over_seeds(group, "imagined_gap"), over_seeds(group, "return_mean")
        bits = number(over_seeds(group, "answer_bits").mean, ".2f")
        line = [part, agent, f"<= {bits}" if group[0].figure("answer_is_bound") else bits]
        line += [number(real.mean, digits(real)), _mean(group, "imagined_return_mean", digits(real))]
        line += [_signed(gap, value) for value in (gap.mean, gap.low, gap.high)]
        line += [_mean(group, "trust_horizon", ".0f"), _mean(group, "impossible_returns", ".3f"), str(gap.seeds)]
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


def _mean(group: Sequence[Row], figure: str, form: str = ".3f") -> str:
    return number(over_seeds(group, figure).mean, form)


def _signed(found: OverSeeds, value: float | None) -> str:
    return number(value, f"+{digits(found)}")
