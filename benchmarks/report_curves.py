"""Tables and a figure of learning curves: interquartile means over seeds with bootstrap intervals, as in rliable."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from rich.table import Table

from nextlat_rl.console import table
from nextlat_rl.plotting.style import GROUNDED, OPEN_LOOP, REAL, STILL
from nextlat_rl.statistics import bootstrap_interval, interquartile_mean

Rows = list[dict[str, Any]]


def curve_tables(rows: Rows) -> list[Table]:
    """Final returns, and real steps until returns are reached."""
    finals, reached = [], []
    for part, agents in _grouped(rows).items():
        plain = next(iter(agents.values()))
        for agent, runs in agents.items():
            returns, episodes = [run["return_mean"] for run in runs], runs[0]["episodes"]
            cells = [f"{interquartile_mean(np.array(returns)):.3f}", interval(returns, "{:.3f}")]
            minutes = np.mean([run["cpu_seconds"] for run in runs]) / 60
            steps = [f"{runs[0]['env_steps']:,}", f"{runs[0]['data_steps']:,}", f"{runs[0]['imagined_steps']:,}"]
            finals.append([part, agent, str(len(runs)), *cells, str(episodes), *steps, f"{minutes:.1f}"])
            for level in runs[0]["steps_to"]:
                reached.append([part, agent, level, *step_cells(runs, plain, level)])
    columns = ["task", "agent", "seeds", "return", "95% interval", "episodes each", "real steps", "data set's"]
    columns += ["imagined", "core minutes"]
    shown = [table("Returns at the end (interquartile mean over training seeds)", columns, finals)]
    columns = ["task", "agent", "return", "reached", "real steps", "95% interval", "with the data set's", "fewer by"]
    return [*shown, table("Real steps until a return is reached (interquartile mean over seeds)", columns, reached)]


def step_cells(runs: Rows, plain: Rows, level: str) -> list[str]:
    """How many seeds reach a level, after how many steps, and how many times as many steps the first agent needs.

    A seed that never gets there counts with all its steps, so the mean is a lower bound then ("at least").
    """
    steps, missed = _steps(runs, level)
    others, others_missed = _steps(plain, level)
    count = f"{len(runs) - missed}/{len(runs)}"
    if missed == len(runs):
        return [count, "", "", "", ""]
    middle, sign = interquartile_mean(steps), ">= " * (missed > 0)
    ratio = f"{'>= ' * (others_missed > 0)}{interquartile_mean(others) / middle:.1f}" if not missed else ""
    spread = interval(steps.tolist(), "{:,.0f}")
    return [count, f"{sign}{middle:,.0f}", spread, f"{sign}{middle + runs[0]['data_steps']:,.0f}", ratio]


def _steps(runs: Rows, level: str) -> tuple[np.ndarray, int]:
    """Steps to a level `[seeds]`, all of a run's where it misses it, and how many miss it."""
    found = [run["steps_to"][level] for run in runs]
    filled = [run["env_steps"] if steps is None else steps for run, steps in zip(runs, found, strict=True)]
    return np.array(filled, dtype=float), found.count(None)


def interval(values: list[float], form: str) -> str:
    """Bootstrap interval of the interquartile mean; nothing for a single seed."""
    if len(values) < 2:
        return ""
    low, high = bootstrap_interval(values, statistic=interquartile_mean)
    return f"[{form.format(low)}, {form.format(high)}]"


def curve_figure(rows: Rows, folder: Path) -> Path:
    """All tasks' curves in one picture."""
    file = folder / "sb3-curves.png"
    panels = {
        part: {
            _label(runs): [np.array(run["curve"], dtype=float).reshape(-1, 2) for run in runs]
            for runs in agents.values()
        }
        for part, agents in _grouped(rows).items()
    }
    aims = {part: next(iter(agents.values()))[0]["target"] for part, agents in _grouped(rows).items()}
    learning_figure(panels, aims).savefig(file, dpi=110)
    return file


def _label(runs: Rows) -> str:
    offline = f" (+ {runs[0]['data_steps'] / 1000:.0f}k offline)" if runs[0]["data_steps"] else ""
    return f"{runs[0]['agent']}{offline}"


def _grouped(rows: Rows) -> dict[str, dict[str, Rows]]:
    """Part -> agent -> the rows of its seeds, in the order of the rows."""
    groups: dict[str, dict[str, Rows]] = {}
    for row in rows:
        if row.get("kind") == "curve":
            groups.setdefault(row["part"], {}).setdefault(row["agent"], []).append(row)
    return groups


def learning_figure(panels: dict[str, dict[str, list[np.ndarray]]], aims: dict[str, float]) -> Figure:
    """Real steps against return, a panel for each task: the mean over training seeds, and from the worst to the best.

    Args:
        panels: task -> agent -> a curve `[points, 2]` of (steps, return) for each seed.
        aims: task -> the return to reach, a dashed line.

    """
    columns = min(len(panels), 3)
    rows = -(-len(panels) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(4.6 * columns, 3.4 * rows), layout="constrained", squeeze=False)
    palette = (STILL, GROUNDED, OPEN_LOOP, REAL, "tab:green", "tab:purple")
    colours: dict[str, str] = {}  # of an agent, the same in every panel
    for panel, (task, agents) in zip(axes.flat, panels.items(), strict=False):
        for agent, curves in agents.items():
            free = [colour for colour in palette if colour not in map(colours.get, agents)]
            colour = colours.setdefault(agent, (free or palette)[0])
            steps = sorted({step for curve in curves for step in curve[:, 0]})
            values = [[curve[curve[:, 0] == step, 1] for curve in curves] for step in steps]
            known = [np.concatenate(value) for value in values]
            panel.plot(steps, [value.mean() for value in known], color=colour, lw=1.8, label=agent)
            low, high = [value.min() for value in known], [value.max() for value in known]
            panel.fill_between(steps, low, high, color=colour, alpha=0.18, lw=0)
        panel.axhline(aims[task], color=REAL, lw=0.8, ls="--")
        seeds = max(map(len, agents.values()))
        panel.xaxis.set_major_formatter(lambda steps, _: f"{steps / 1000:g}")
        panel.set(
            xlabel="thousand real steps of the agent", ylabel="return", title=f"{task}, {seeds} seed{'s' * (seeds > 1)}"
        )
        panel.legend(frameon=False, fontsize=7)
        panel.spines[["top", "right"]].set_visible(False)
    for panel in list(axes.flat)[len(panels) :]:
        panel.set_visible(False)
    return figure
