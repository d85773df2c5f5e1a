"""Figures for people who would rather look than read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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
