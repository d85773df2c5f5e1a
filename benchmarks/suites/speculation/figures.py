"""Figures of speculation."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.rows import Row
from benchmarks.suites.speculation.tables import lost_in_per_cent
from benchmarks.table import groups, over_seeds
from nextlat_rl.plotting.style import GROUNDED, OPEN_LOOP, REAL, STILL


def draw(rows: Sequence[Row], folder: Path) -> list[Path]:
    """A figure of each task's first seed, and one of what risks cost."""
    measured = [row for row in rows if row.measure]
    files = []
    for part in dict.fromkeys(row.part for row in measured):
        mine = [row for row in measured if row.part == part]
        first = [row for row in mine if row.seed == min(row.seed for row in mine)]
        figure = speculation_figure(
            [row for row in first if row.measure == "imagination"], [row for row in first if row.measure == "acting"]
        )
        figure.suptitle(f"{part}, seed {first[0].seed}")
        files.append(_saved(figure, folder / f"speculation-{part}.png"))
    if risks := risk_lines(measured):
        files.append(_saved(risk_figure(risks), folder / "speculation-risk.png"))
    return files


def _saved(figure: Figure, file: Path) -> Path:
    figure.savefig(file, dpi=110)
    plt.close(figure)
    return file


def speculation_figure(imagined: Sequence[Row], acted: Sequence[Row]) -> Figure:
    """What drafts are worth: speed-ups by drafter, acceptance by position, and calls saved when acting.

    Args:
        imagined: rows of speculative imagination; of each drafter the fastest length is drawn.
        acted: rows of acting.

    """
    panels = 3 if acted else 2
    figure, axes = plt.subplots(1, panels, figsize=(3.8 * panels, 3.4), layout="constrained")
    drafted = [row for row in imagined if row.accepted_per_draft is not None]
    mine = _by_drafter(drafted)
    _speed_panel(axes[0], mine)
    _acceptance_panel(axes[1], mine)
    if acted:
        axes[2].barh([row.agent for row in acted], [row.trunk_calls_per_step or 0.0 for row in acted], color=OPEN_LOOP)
        axes[2].invert_yaxis()
        axes[2].set(xlabel="calls a step", title="Acting (planner, speculation)")
    for panel in axes:
        panel.spines[["top", "right"]].set_visible(False)
    return figure


def _by_drafter(rows: Sequence[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[row.agent.split()[0]].append(row)
    return found


def _speed_panel(panel: Axes, drafters: Mapping[str, Sequence[Row]]) -> None:
    """Each drafter at the length it is fastest with."""
    best = [max(rows, key=lambda row: row.speedup or 0.0) for rows in drafters.values()]
    colours = [GROUNDED if name == "nextlat" else STILL for name in drafters]
    panel.barh([row.agent for row in best], [row.speedup or 0.0 for row in best], color=colours)
    panel.axvline(1.0, color=REAL, lw=0.8)
    panel.invert_yaxis()
    panel.set(xlabel="times as fast as one step at a time", title="Imagining (drafter, K)")


def _acceptance_panel(panel: Axes, drafters: Mapping[str, Sequence[Row]]) -> None:
    """The chance of each of four drafted steps to be kept once it is reached."""
    for i, (name, rows) in enumerate(drafters.items()):
        at_four = next((row for row in rows if row.agent == f"{name} 4"), None)
        if at_four is not None:
            chances = at_four.figure("acceptance_by_position")
            style: dict[str, Any] = {"color": f"C{i}", "lw": 1.2}
            if name == "nextlat":
                style = {"color": GROUNDED, "lw": 2.5}
            panel.plot(range(1, len(chances) + 1), chances, marker="o", ms=3, label=name, **style)
    panel.set_xticks(range(1, 5))
    panel.set(xlabel="position in the draft", ylim=(0, 1.02), title="Chance to be kept (K = 4)")
    if drafters:  # tasks in which imagination is left out have none
        panel.legend(frameon=False, fontsize=7)


def risk_lines(rows: Sequence[Row]) -> dict[str, np.ndarray]:
    """For `risk_figure`: over training seeds the mean of calls and of what is lost, and the worst upper end."""
    lines: dict[str, list[list[float]]] = defaultdict(list)
    risks = sorted((row for row in rows if row.measure == "risk"), key=lambda row: row.figure("risk"))
    for (part, agent), group in groups(risks, "part", "agent").items():
        name = f"{part}, {'policy' if agent.startswith('none,') else 'planner'}"
        lost = np.array([lost_in_per_cent(row) for row in group])
        calls = over_seeds(group, "trunk_calls_per_step").mean or 0.0
        lines[name].append([calls, float(lost[:, 0].mean()), float(lost[:, 1].max())])
    return {name: np.array(points) for name, points in lines.items()}


def risk_figure(lines: Mapping[str, np.ndarray]) -> Figure:
    """What each risk saves and costs: calls a step against the return lost, and the upper end of what may be lost.

    Args:
        lines: task and planner -> `[risks, 3]` of calls a step, per cent lost, and its interval's upper end.

    """
    figure, panel = plt.subplots(figsize=(6.4, 4.2), layout="constrained")
    tasks = list(dict.fromkeys(name.partition(",")[0] for name in lines))
    for name, points in lines.items():
        calls, lost, most = points.T
        planned = not name.endswith("policy")
        panel.errorbar(
            calls,
            lost,
            [0 * lost, (most - lost).clip(0)],
            color=f"C{tasks.index(name.partition(',')[0])}",
            marker="s" if planned else "o",
            ls="--" if planned else "-",
            ms=4,
            lw=1,
            elinewidth=0.8,
            label=name,
        )
    panel.axhline(1.0, color=REAL, lw=0.8, ls=":")
    panel.axvline(0.3, color=REAL, lw=0.8, ls=":")
    panel.set(
        xlabel="calls a step", ylabel="per cent of the return lost", title="Tolerant acting: lower left is better"
    )
    panel.set_yscale("symlog", linthresh=1.0)
    panel.set_yticks([-1, 0, 1, 2, 5, 10], ["-1", "0", "1", "2", "5", "10"])
    panel.legend(frameon=False, fontsize=7, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    panel.spines[["top", "right"]].set_visible(False)
    return figure
