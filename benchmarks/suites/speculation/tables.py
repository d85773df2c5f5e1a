"""Tables of speculation: a line for each task and contender, means over training seeds."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import zip_longest

import numpy as np

from benchmarks.rows import Row
from benchmarks.table import Table, groups, interval_cells, number, over_seeds, over_values


def imagination_table(rows: Sequence[Row], drafts: Collection[str] = ()) -> Table:
    """Every drafter and draft length against drawing one step at a time.

    `speed-up` is of the median trajectory, `all steps` of all of them together; `kept` are steps of a draft, `1st` and
    `4th` the chances of these to be kept once they are reached; `cost` is a drafted step's beside a step of the trunk;
    `minutes` are of training.

    Args:
        rows: of the suite.
        drafts: draft lengths to show, such as `adaptive`; empty shows all.

    """
    columns = ["task", "drafter", "draft", "speed-up", "low", "high", "seeds", "all steps", "kept"]
    columns += ["1st", "4th", "cost", "minutes"]
    lines, used = [], []
    for (part, agent), group in groups(_of(rows, "imagination"), "part", "agent").items():
        name, _, draft = agent.partition(" ")
        if drafts and draft not in drafts:
            continue
        found, chances = over_seeds(group, "speedup"), acceptance(group)
        line = [part, name, draft, *interval_cells(found, ".2f"), str(found.seeds), _mean(group, "throughput", ".2f")]
        line += [_mean(group, "accepted_per_draft", ".2f")]
        line += [number(chances[k - 1] if k <= len(chances) else None, ".2f") for k in (1, 4)]
        line += [_mean(group, "draft_cost", ".2f")]
        lines.append([*line, _mean(group, "drafter_minutes", ".1f") if draft else ""])
        used += group
    return Table("Speculative imagination, one core, one trajectory at a time", columns, lines, used)


def acceptance(group: Sequence[Row]) -> list[float]:
    """The chance of each position of a draft to be kept once it is reached, `[K]`; means over seeds that have it."""
    each = [row.figure("acceptance_by_position") or [] for row in group]
    return [float(np.nanmean(chances)) for chances in zip_longest(*each, fillvalue=np.nan)]


def acting_table(rows: Sequence[Row]) -> Table:
    """Every way to decide ahead against deciding at every step.

    `at most` is the worst seed's upper bound of what is lost; `calls` are of trunk and planner at each step, `seen`
    where the observation showed only cells seen before in the episode; `ms` a decision.
    """
    columns = ["task", "planner", "speculation", "speed-up", "low", "high", "seeds", "decisions", "changed", "return"]
    columns += ["% lost", "at most", "calls", "seen", "ms"]
    lines, used = [], []
    for (part, agent), group in groups(_of(rows, "acting"), "part", "agent").items():
        planner, _, speculation = agent.partition(", ")
        found = over_seeds(group, "speedup")
        scale = 100 / max(abs(over_seeds(group, "return_mean").mean or 0.0), 1e-9)
        most = max(row.figure("return_lost_high") for row in group)
        changed = [row.figure("changed") for row in group]
        line = [part, planner, speculation, *interval_cells(found, ".2f"), str(found.seeds)]
        line += [number(sum(row.figure("decisions") for row in group), ",")]
        line += ["" if None in changed else f"{sum(changed):,}", _mean(group, "return_mean", ".3f")]
        line += [number(over_seeds(group, "return_lost", scale).mean, ".1f"), number(scale * most, ".1f")]
        line += [_mean(group, "trunk_calls_per_step", ".2f"), _mean(group, "calls_where_known", ".2f")]
        lines.append([*line, _mean(group, "ms_per_decision", ".2f")])
        used += group
    return Table("Speculative acting, one core, one environment", columns, lines, used)


def risk_table(rows: Sequence[Row]) -> Table:
    """What each risk saves and costs; `at most` is the worst seed's upper bound."""
    columns = ["task", "planner", "risk", "seeds", "episodes", "calls", "low", "high"]
    columns += ["return, off", "% lost", "low", "high", "at most"]
    lines, used = [], []
    for (part, agent), group in groups(_of(rows, "risk"), "part", "agent").items():
        planner, _, risk = agent.partition(", risk ")
        calls = over_seeds(group, "trunk_calls_per_step")
        lost = over_values([lost_in_per_cent(row)[0] for row in group])
        most = max(lost_in_per_cent(row)[1] for row in group)
        line = [part, planner, risk, str(calls.seeds), number(group[0].episodes, ","), *interval_cells(calls, ".2f")]
        line += [_mean(group, "return_off", ".3g"), *interval_cells(lost, ".1f"), f"{most:.1f}"]
        lines.append(line)
        used += group
    return Table("Tolerant acting by risk, drafts of a fixed length", columns, lines, used)


def lost_in_per_cent(row: Row) -> tuple[float, float]:
    """What is lost, and the upper end of its interval, in per cent of the return of deciding at every step."""
    scale = 100 / max(abs(row.figure("return_off")), 1e-9)
    return scale * row.figure("return_lost"), scale * row.figure("return_lost_high")


def _of(rows: Sequence[Row], measure: str) -> list[Row]:
    return [row for row in rows if row.measure == measure]


def _mean(group: Sequence[Row], figure: str, form: str) -> str:
    return number(over_seeds(group, figure).mean, form)
