"""Learning curves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.rows import Row
from benchmarks.suites.sb3.tables import by_agent
from nextlat_rl.plotting.style import GROUNDED, OPEN_LOOP, REAL, STILL

_PALETTE = (STILL, GROUNDED, OPEN_LOOP, REAL, "tab:green", "tab:purple")


def draw(rows: Sequence[Row], folder: Path) -> list[Path]:
    """All tasks' curves in one picture."""
    parts = by_agent(rows)
    if not parts:
        return []
    panels = {
        part: {
            _label(runs): [np.array(row.figure("curve"), dtype=float).reshape(-1, 2) for row in runs]
            for runs in agents.values()
        }
        for part, agents in parts.items()
    }
    aims = {part: next(iter(agents.values()))[0].figure("target") for part, agents in parts.items()}
    file = folder / "sb3-curves.png"
    figure = learning_figure(panels, aims)
    figure.savefig(file, dpi=110)
    plt.close(figure)
    return [file]


def _label(runs: Sequence[Row]) -> str:
    data_steps = runs[0].figure("data_steps")
    return f"{runs[0].agent} (+ {data_steps / 1000:.0f}k offline)" if data_steps else runs[0].agent


def learning_figure(panels: dict[str, dict[str, list[np.ndarray]]], aims: dict[str, float]) -> Figure:
    """Real steps against return, a panel for each task: the mean over training seeds, and from the worst to the best.

    Args:
        panels: task -> agent -> a curve `[points, 2]` of (steps, return) for each seed.
        aims: task -> the return to reach, a dashed line.

    """
    columns = min(len(panels), 3)
    rows = -(-len(panels) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(4.6 * columns, 3.4 * rows), layout="constrained", squeeze=False)
    colours: dict[str, str] = {}  # of an agent, the same in every panel
    for panel, (task, agents) in zip(axes.flat, panels.items(), strict=False):
        for agent, curves in agents.items():
            free = [colour for colour in _PALETTE if colour not in map(colours.get, agents)]
            _draw_curves(panel, agent, curves, colours.setdefault(agent, (free or _PALETTE)[0]))
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


def _draw_curves(panel: Axes, agent: str, curves: Sequence[np.ndarray], colour: str) -> None:
    """The mean of the curves `[points, 2]` that have a point, and the range between the lowest and the highest."""
    steps = sorted({step for curve in curves for step in curve[:, 0]})
    known = [np.concatenate([curve[curve[:, 0] == step, 1] for curve in curves]) for step in steps]
    panel.plot(steps, [value.mean() for value in known], color=colour, lw=1.8, label=agent)
    low, high = [value.min() for value in known], [value.max() for value in known]
    panel.fill_between(steps, low, high, color=colour, alpha=0.18, lw=0)
