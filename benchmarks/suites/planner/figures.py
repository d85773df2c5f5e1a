"""The figure of `docs/improvement.md`: what each step adds on poor data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from benchmarks.rows import Row
from benchmarks.table import groups, over_seeds
from nextlat_rl.plotting.style import GROUNDED, REAL

# Agents from top to bottom, and what the figure calls them.
_AGENTS = {
    "behaviour (the data)": "the data",
    "cloned (trunk)": "cloned",
    "policy (trunk)": "weighted",
    "improved policy (trunk)": "improved",
    "improved policy (trunk + lookahead)": "improved + look-ahead",
}


def improvement_figure(rows: Sequence[Row]) -> Figure | None:
    """Returns by agent, a panel for each task, a dot for each training seed; None without rows."""
    tasks = groups([row for row in rows if row.part.startswith("mixed-") and row.agent in _AGENTS], "part")
    if not tasks:
        return None
    size = (3.0 * len(tasks), 2.4)
    figure, axes = plt.subplots(1, len(tasks), figsize=size, layout="constrained", squeeze=False, sharey=True)
    for panel, ((part,), group) in zip(axes.flat, tasks.items(), strict=True):
        for place, agent in enumerate(_AGENTS):
            mine = [row for row in group if row.agent == agent]
            panel.barh(place, over_seeds(mine, "return_mean").mean or 0.0, color=GROUNDED, alpha=0.5)
            panel.plot([row.return_mean or 0.0 for row in mine], [place] * len(mine), "o", color=REAL, ms=3)
        panel.set_title(part.removeprefix("mixed-"), fontsize=10)
        panel.set_xlabel("return")
        panel.spines[["top", "right"]].set_visible(False)
    axes[0, 0].set_yticks(range(len(_AGENTS)), _AGENTS.values())
    axes[0, 0].invert_yaxis()
    return figure


def draw(rows: Sequence[Row], folder: Path) -> list[Path]:
    """Write the figure into `folder`; the files."""
    figure = improvement_figure(rows)
    if figure is None:
        return []
    file = folder / "improvement.png"
    figure.savefig(file, dpi=110)
    plt.close(figure)
    return [file]
