"""When a task is solved, and with how many training seeds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from benchmarks.rows import Row
from benchmarks.suites.paper.tables import MODELS, SOLVED, STOPPED
from nextlat_rl.plotting.style import GROUNDED, OPEN_LOOP, REAL, STILL

_COLOURS = {"gpt": STILL, "bst": "tab:purple", "mtp": OPEN_LOOP, "jtp": REAL, "nextlat": GROUNDED}


def draw(rows: Sequence[Row], folder: Path) -> list[Path]:
    """The share of the seeds that has solved a part by when, where training stops once all is solved."""
    panels: dict[str, dict[str, list[tuple[float, bool]]]] = {}
    for part in STOPPED:
        for model in MODELS:
            runs = [row for row in rows if (row.part, row.agent) == (part, model)]
            if runs:
                solved = [(row.figure("train_steps"), (row.value or 0.0) >= SOLVED) for row in runs]
                panels.setdefault(part, {})[model] = solved
    if not panels:
        return []
    file = folder / "paper-solved.png"
    figure = solved_figure(panels)
    figure.savefig(file, dpi=110)
    plt.close(figure)
    return [file]


def solved_figure(panels: dict[str, dict[str, list[tuple[float, bool]]]]) -> Figure:
    """Training steps against the share of seeds that have solved a task by then, a panel for each task.

    Args:
        panels: task -> objective -> (steps trained, whether that solved it) for each seed.

    """
    figure, axes = plt.subplots(
        1, len(panels), figsize=(4.6 * len(panels), 3.2), layout="constrained", squeeze=False, sharey=True
    )
    for panel, (task, objectives) in zip(axes.flat, panels.items(), strict=True):
        most = max(steps for runs in objectives.values() for steps, _ in runs)
        for place, (objective, runs) in enumerate(objectives.items()):
            reached = sorted(steps for steps, solved in runs if solved)
            shares = [i / len(runs) for i in range(len(reached) + 1)]
            # A little apart, or lines at the same height would hide one another.
            lifted = [share + 0.008 * place for share in shares]
            label = f"{objective}: {len(reached)} of {len(runs)} seeds"
            colour = _COLOURS.get(objective, "black")
            panel.step([0, *reached, most], [*lifted, lifted[-1]], where="post", color=colour, lw=1.8, label=label)
        panel.set(xlabel="training steps", title=task, ylim=(-0.03, 1.06))
        panel.legend(frameon=False, fontsize=7)
        panel.spines[["top", "right"]].set_visible(False)
    axes[0, 0].set_ylabel("share of seeds that have solved it")
    return figure
