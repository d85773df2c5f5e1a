"""Figures for people who would rather look than read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib

matplotlib.use("Agg")  # figures go to files and to TensorBoard, never to a window

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

REAL, GROUNDED, BLIND, STILL = "#1b1b1b", "#2a7fb8", "#d9742b", "#b5b5b5"


def horizon_figure(errors: dict[str, list[float]]) -> Figure:
    """Latent error by horizon, grounded and open loop, beside a belief that stands still."""
    steps = range(1, len(errors["grounded"]) + 1)
    lines = {name: errors[name] for name in ("grounded", "open_loop", "still")}
    return lines_figure(steps, lines, "steps rolled out", "smooth-L1 to the true belief", "Latent error by horizon")


def lines_figure(
    x: Sequence[float],
    lines: Mapping[str, Sequence[float]],
    xlabel: str,
    ylabel: str,
    title: str,
    top: float | None = None,
) -> Figure:
    """Curves over the same whole numbers, from 0 up to `top` or as far as they go; a shorter one ends early."""
    figure, axes = plt.subplots(figsize=(5.5, 3.4), layout="constrained")
    for (name, y), colour in zip(lines.items(), (GROUNDED, BLIND, STILL), strict=False):
        axes.plot(x[: len(y)], y, color=colour, marker="o", ms=3, label=name)
    axes.set(xlabel=xlabel, ylabel=ylabel, title=title)
    axes.set_ylim(0, top)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def film_strip(real: Sequence[np.ndarray], imagined: Sequence[np.ndarray], captions: Sequence[str]) -> Figure:
    """Real observations over imagined ones, step by step.

    Args:
        real: K RGB images.
        imagined: K RGB images of what the model expected in their place.
        captions: K short texts, one above each column.

    """
    count = len(real)
    figure, axes = plt.subplots(2, count, figsize=(1.15 * count + 0.6, 2.9), layout="constrained", squeeze=False)
    for row, (name, images) in enumerate((("real", real), ("imagined", imagined))):
        for column, image in enumerate(images):
            panel = axes[row][column]
            panel.imshow(image, interpolation="nearest")
            panel.set_xticks([])
            panel.set_yticks([])
            panel.spines[:].set_visible(False)
            if row == 0:
                panel.set_title(captions[column], fontsize=8)
        axes[row][0].set_ylabel(name, fontsize=10)
    return figure


def curves_figure(real: np.ndarray, imagined: np.ndarray, names: Sequence[str]) -> Figure:
    """Real against imagined vectors over a horizon, a panel for each component.

    Args:
        real: `[K, n]`.
        imagined: `[K, n]`.
        names: n labels.

    """
    count = min(real.shape[1], 12)
    columns = min(count, 4)
    rows = -(-count // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(2.8 * columns, 1.9 * rows + 0.4), layout="constrained", squeeze=False
    )
    for i, panel in enumerate(axes.flat):
        panel.set_visible(i < count)
        if i < count:
            panel.plot(real[:, i], color=REAL, lw=1.6, label="real")
            panel.plot(imagined[:, i], color=BLIND, lw=1.6, ls="--", label="imagined")
            panel.set_title(names[i], fontsize=9)
            panel.spines[["top", "right"]].set_visible(False)
    axes.flat[0].legend(frameon=False, fontsize=8)
    return figure


def speculation_figure(imagined: Sequence[dict[str, Any]], acted: Sequence[dict[str, Any]]) -> Figure:
    """What drafts are worth: speed-ups by drafter, acceptance by position, and calls saved when acting.

    Args:
        imagined: rows of speculative imagination; of each drafter the fastest length is drawn.
        acted: rows of acting, `contender` and `trunk_calls_per_step`.

    """
    panels = 3 if acted else 2
    figure, axes = plt.subplots(1, panels, figsize=(3.8 * panels, 3.4), layout="constrained")
    speed, chance = axes[:2]
    drafted = [row for row in imagined if "accepted_per_draft" in row]
    drafters = list(dict.fromkeys(row["contender"].split()[0] for row in drafted))
    mine = {name: [row for row in drafted if row["contender"].split()[0] == name] for name in drafters}
    best = [max(mine[name], key=lambda row: row["speed_up"]) for name in drafters]
    colours = [GROUNDED if drafter == "nextlat" else STILL for drafter in drafters]
    speed.barh([row["contender"] for row in best], [row["speed_up"] for row in best], color=colours)
    speed.axvline(1.0, color=REAL, lw=0.8)
    speed.invert_yaxis()
    speed.set(xlabel="speed-up over drawing alone", title="Imagining (drafter, K)")
    for i, name in enumerate(drafters):
        at_four = next((row for row in mine[name] if row["contender"] == f"{name} 4"), None)
        if at_four is not None:
            positions = range(1, len(at_four["acceptance_by_position"]) + 1)
            style = {"color": GROUNDED, "lw": 2.5} if name == "nextlat" else {"color": f"C{i}", "lw": 1.2}
            chance.plot(positions, at_four["acceptance_by_position"], marker="o", ms=3, label=name, **style)
    chance.set_xticks(range(1, 5))
    chance.set(xlabel="position in the draft", ylim=(0, 1.02), title="Chance to be accepted (K = 4)")
    if drafters:  # tasks in which imagination is left out have none
        chance.legend(frameon=False, fontsize=7)
    if acted:
        names = [row["contender"] for row in acted]
        axes[2].barh(names, [row["trunk_calls_per_step"] for row in acted], color=BLIND)
        axes[2].invert_yaxis()
        axes[2].set(xlabel="calls a step", title="Acting (planner, speculate)")
    for panel in axes:
        panel.spines[["top", "right"]].set_visible(False)
    return figure


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
        xlabel="calls a step", ylabel="per cent of the return lost", title="Tolerant acting: the aim is lower left"
    )
    panel.set_yscale("symlog", linthresh=1.0)
    panel.set_yticks([-1, 0, 1, 2, 5, 10], ["-1", "0", "1", "2", "5", "10"])
    panel.legend(frameon=False, fontsize=7, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    panel.spines[["top", "right"]].set_visible(False)
    return figure


def learning_figure(panels: dict[str, dict[str, list[np.ndarray]]], aims: dict[str, float]) -> Figure:
    """Real steps against return, a panel for each task: the mean over training seeds, and from the worst to the best.

    Args:
        panels: task -> agent -> a curve `[points, 2]` of (steps, return) for each seed.
        aims: task -> the return to reach, a dashed line.

    """
    columns = min(len(panels), 3)
    rows = -(-len(panels) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(4.6 * columns, 3.4 * rows), layout="constrained", squeeze=False)
    palette = (STILL, GROUNDED, BLIND, REAL, "tab:green", "tab:purple")
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
