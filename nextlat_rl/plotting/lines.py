"""Curves over whole numbers, such as horizons and lengths."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from nextlat_rl.plotting.style import GROUNDED, OPEN_LOOP, STILL


def horizon_figure(errors: dict[str, list[float]]) -> Figure:
    """Latent error by horizon, from `latent_error_by_horizon`."""
    steps = range(1, len(errors["grounded"]) + 1)
    return lines_figure(steps, errors, "steps rolled out", "smooth-L1 to the true belief", "Latent error by horizon")


def lines_figure(
    x: Sequence[float],
    lines: Mapping[str, Sequence[float]],
    xlabel: str,
    ylabel: str,
    title: str,
    top: float | None = None,
) -> Figure:
    """Up to three curves over the integers `x`, on a vertical axis from 0 to `top`; a shorter curve ends early."""
    figure, axes = plt.subplots(figsize=(5.5, 3.4), layout="constrained")
    for (name, y), colour in zip(lines.items(), (GROUNDED, OPEN_LOOP, STILL), strict=False):
        axes.plot(x[: len(y)], y, color=colour, marker="o", ms=3, label=name)
    axes.set(xlabel=xlabel, ylabel=ylabel, title=title)
    axes.set_ylim(0, top)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return figure
