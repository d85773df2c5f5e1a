"""Tables of learning curves: interquartile means over training seeds with bootstrap intervals, as in rliable."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.rows import Row
from benchmarks.suites.sb3.contestants import CURVES
from benchmarks.table import Table, groups, number, over_seeds
from nextlat_rl.statistics import bootstrap_interval, interquartile_mean


def by_agent(rows: Sequence[Row]) -> dict[str, dict[str, list[Row]]]:
    """Part -> agent -> the learning curves of its seeds; parts and agents in the order of `CURVES`."""
    found = groups([row for row in rows if row.measure == "curve"], "part", "agent")
    names = {part: [contestant.name for contestant in curve.contestants] for part, curve in CURVES.items()}
    return {
        part: {agent: found[part, agent] for agent in agents if (part, agent) in found}
        for part, agents in names.items()
        if any((part, agent) in found for agent in agents)
    }


def final_table(rows: Sequence[Row]) -> Table:
    """Returns at the end of training, and what it took."""
    columns = ["task", "agent", "return", "low", "high", "seeds", "episodes", "real steps", "data set's", "imagined"]
    lines, used = [], []
    for part, agents in by_agent(rows).items():
        for agent, runs in agents.items():
            returns = [row.return_mean or 0.0 for row in runs]
            line = [
                part,
                agent,
                *_middle(returns, ".3f" if abs(returns[0]) < 10 else ".1f"),
                str(len(runs)),
                number(runs[0].episodes, ","),
            ]
            line += [number(runs[0].figure(name), ",") for name in ("env_steps", "data_steps", "imagined_steps")]
            lines.append([*line, number(over_seeds(runs, "cpu_seconds", 1 / 60).mean, ".1f")])
            used += runs
    columns += ["core minutes"]
    return Table("Returns at the end, interquartile mean over training seeds", columns, lines, used)


def steps_table(rows: Sequence[Row], last: bool = False) -> Table:
    """Real steps until returns are reached.

    Args:
        rows: of the suite.
        last: only the highest return of a task.

    """
    columns = ["task", "agent", "return", "seeds", "reached", "real steps", "low", "high", "with the data set's"]
    lines, used = [], []
    for part, agents in by_agent(rows).items():
        plain = next(iter(agents.values()))
        for agent, runs in agents.items():
            for level in list(runs[0].figure("steps_to"))[-1 if last else 0 :]:
                lines.append([part, agent, level, str(len(runs)), *step_cells(runs, plain, level)])
            used += runs
    title = "Real steps until a return is reached, interquartile mean over training seeds"
    return Table(title, [*columns, "times fewer"], lines, used)


def step_cells(runs: Sequence[Row], plain: Sequence[Row], level: str) -> list[str]:
    """How many seeds reach a level, after how many steps, and how many times as many steps the first agent needs.

    A seed that never gets there counts with all its steps, so the mean is a lower bound then (">=").
    """
    steps, missed = _steps(runs, level)
    others, others_missed = _steps(plain, level)
    reached = str(len(runs) - missed)
    if missed == len(runs):
        return [reached, "", "", "", "", ""]
    middle, low, high = _middle(steps.tolist(), ",.0f")
    sign, data_steps = ">= " * (missed > 0), runs[0].figure("data_steps")
    ratio = f"{'>= ' * (others_missed > 0)}{interquartile_mean(others) / interquartile_mean(steps):.1f}"
    both = f"{sign}{interquartile_mean(steps) + data_steps:,.0f}"
    return [reached, sign + middle, low, high, both, "" if missed else ratio]


def _steps(runs: Sequence[Row], level: str) -> tuple[np.ndarray, int]:
    """Steps to a level `[seeds]`, all of a run's where it misses it, and how many miss it."""
    found = [row.figure("steps_to")[level] for row in runs]
    filled = [row.env_steps if steps is None else steps for row, steps in zip(runs, found, strict=True)]
    return np.array(filled, dtype=float), found.count(None)


def _middle(values: list[float], form: str) -> list[str]:
    """Cells: the interquartile mean and the ends of its interval; of a single seed no interval."""
    middle = format(float(interquartile_mean(np.array(values))), form)
    if len(values) < 2:
        return [middle, "", ""]
    return [middle, *(format(end, form) for end in bootstrap_interval(values, statistic=interquartile_mean))]
