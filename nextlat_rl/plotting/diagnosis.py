"""World diagnostics on one page."""

from collections.abc import Sequence
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from nextlat_rl.metrics.event_rates import EventRates
from nextlat_rl.metrics.existence import Existence
from nextlat_rl.metrics.return_gap import ReturnGap
from nextlat_rl.metrics.trust_horizon import LARGEST_AUC, TrustTest
from nextlat_rl.plotting.style import GROUNDED, OPEN_LOOP, REAL, STILL

_IMAGINED = OPEN_LOOP
# MiniGrid's object codes: unseen, empty, wall, floor, door, key, ball, box, goal, lava, agent.
_OBJECTS = ListedColormap(
    [
        "#e9e9e9",
        "#ffffff",
        "#4a4a4a",
        "#cfe3f2",
        "#8a5a2b",
        "#e0b400",
        "#7b52ab",
        "#b5562a",
        "#3aa655",
        "#e2572b",
        "#000",
    ]
)


class MapPair(NamedTuple):
    """The map of one episode, `[H, W]` each."""

    objects: np.ndarray  # MiniGrid's object codes
    path: np.ndarray  # bool, where the agent was
    conflicts: np.ndarray  # bool, contradicted cells


def diagnosis_figure(
    trust: TrustTest,
    bits: dict[str, float],
    events: Sequence[EventRates],
    existence: Existence,
    returns: ReturnGap,
    maps: Sequence[MapPair] | None,
    title: str,
) -> Figure:
    """The tests by horizon, the events, the bits, the returns, whether observations exist, and a real and a dreamt map.

    Args:
        trust: see `trust_test`.
        bits: see `answer_bits`.
        events: see `event_rates`.
        existence: see there.
        returns: see `return_gap`.
        maps: the real one and the imagined one; None draws none.
        title: the page's.
    """
    figure = plt.figure(figsize=(15, 8.6), layout="constrained")
    figure.suptitle(title, fontsize=12)
    halves = figure.subfigures(2, 1, squeeze=False)
    above = halves[0, 0].subplots(1, 3)
    below = halves[1, 0].subplots(
        1, 2 if maps is None else 4, width_ratios=[1.5, 1] if maps is None else [1.6, 0.8, 1, 1]
    )
    _draw_trust(above[0], trust)
    _draw_events(above[1], events)
    _draw_bits(above[2], bits)
    _draw_returns(below[0], returns)
    _draw_existence(below[1], existence)
    for panel in (*above, *below):
        panel.spines[["top", "right"]].set_visible(False)
    if maps is not None:
        limits = _limits(maps)
        for panel, pair, caption in zip(below[2:], maps, ("A real episode's map", "Its dream's map"), strict=True):
            _draw_map(panel, pair, limits, caption)
    return figure


def _draw_trust(panel: Axes, trust: TrustTest) -> None:
    horizons, areas = [t.horizon for t in trust.tests], [t.auc for t in trust.tests]
    panel.set(title="Can a classifier tell dreams from reality?", xlabel="step", ylabel="AUC on unseen pairs")
    panel.set_ylim(0.48, 1.02)
    panel.axhline(LARGEST_AUC, color=STILL, ls="--", lw=1)
    panel.annotate(
        f"trusted up to {LARGEST_AUC:g}",
        (0.99, LARGEST_AUC + 0.01),
        (0.99, LARGEST_AUC + 0.01),
        xycoords=("axes fraction", "data"),
        ha="right",
        fontsize=8,
        color="#777777",
    )
    if horizons:
        panel.set_xscale("log")
        shown = horizons[:: 1 if len(horizons) < 10 else 2]
        panel.set_xticks(shown, [str(horizon) for horizon in shown])
        panel.minorticks_off()
        panel.plot(horizons, areas, color=_IMAGINED, marker="o", ms=4)
    if trust.trust_horizon:
        panel.axvspan(0.9, trust.trust_horizon, color=GROUNDED, alpha=0.12, lw=0)
        panel.set_xlim(left=0.9)


def _draw_events(panel: Axes, events: Sequence[EventRates]) -> None:
    """Imagined against real rates, a point for each event and part of the episode's time."""
    panel.set(
        title="Do events happen as often?",
        xlabel="in reality, a step (each mark: a fifth of the time)",
        ylabel="in dreams, a step",
    )
    rates = [rate for event in events for rate in (*event.real, *event.imagined) if rate]
    floor = min(rates, default=0.1) / 2  # stands for 0
    for number, event in enumerate(events):
        pairs = [(r, i) for r, i in zip(event.real, event.imagined, strict=True) if r is not None and i is not None]
        x, y = ([max(pair[k], floor) for pair in pairs] for k in (0, 1))
        panel.plot(
            x,
            y,
            "o^svDPX*"[number % 8],
            ms=8 - 3 * (number % 2),
            alpha=0.75,
            color=plt.get_cmap("tab10")(number),
            label=event.name,
        )
    panel.set(xscale="log", yscale="log")
    panel.plot([floor, 1], [floor, 1], color=STILL, lw=1, zorder=0)
    panel.set(xlim=(floor * 0.8, 1.3), ylim=(floor * 0.8, 1.3))
    panel.legend(frameon=False, fontsize=7, loc="upper left")


def _draw_bits(panel: Axes, bits: dict[str, float]) -> None:
    names = list(bits)[::-1]
    panel.barh(names, [bits[name] for name in names], color=[REAL if n == "total" else GROUNDED for n in names])
    for row, name in enumerate(names):
        panel.annotate(f" {bits[name]:.3f}", (max(bits[name], 0), row), va="center", fontsize=9)
    panel.margins(x=0.15)
    panel.set(
        title="Code length of the world's answer, held-out data", xlabel="bits a step (a density where continuous)"
    )


def _draw_returns(panel: Axes, returns: ReturnGap) -> None:
    both = np.concatenate((returns.real, returns.imagined))
    edges = np.linspace(both.min(), max(both.max(), both.min() + 1e-6), 31).tolist()
    panel.hist(returns.real, edges, color=REAL, alpha=0.55, label=f"real, mean {returns.real.mean():.3g}")
    label = f"dreams, mean {returns.imagined.mean():.3g}"
    panel.hist(returns.imagined, edges, color=_IMAGINED, alpha=0.55, label=label)
    panel.legend(frameon=False, fontsize=9)
    panel.set(
        title=f"Returns ({returns.impossible} dreams return what no episode did)", xlabel="return", ylabel="episodes"
    )


def _draw_existence(panel: Axes, found: Existence) -> None:
    shares = (found.share_real, found.share)
    distances = (found.distance_real, found.distance)
    values = [value or 0.0 for value in (distances if found.share is None else shares)]
    panel.bar(["real", "dreams"], values, color=[REAL, _IMAGINED], width=0.55)
    for column, value in enumerate(values):
        panel.annotate(
            f"{value:.1%}" if found.share is not None else f"{value:.3g}", (column, value), ha="center", va="bottom"
        )
    panel.margins(y=0.12)
    panel.set(title="Observations in the data" if found.share is not None else "Distance to the data")
    panel.set_ylabel("share" if found.share is not None else "standard deviations (median)")


def _limits(maps: Sequence[MapPair]) -> tuple[slice, slice]:
    """The part of the maps, a square, in which anything was seen."""
    rows, columns = np.nonzero(np.logical_or.reduce([pair.objects > 0 for pair in maps]))
    half = int(max(np.ptp(rows), np.ptp(columns))) // 2 + 2
    parts = []
    for places in (rows, columns):
        middle = int(places.min() + places.max()) // 2
        parts.append(slice(max(middle - half, 0), middle + half + 1))
    return parts[0], parts[1]


def _draw_map(panel: Axes, pair: MapPair, limits: tuple[slice, slice], caption: str) -> None:
    objects, path, conflicts = (part[limits] for part in pair)
    panel.imshow(objects, cmap=_OBJECTS, vmin=0, vmax=len(_OBJECTS.colors) - 1, interpolation="nearest")  # type: ignore[arg-type]
    y, x = np.nonzero(path)
    panel.plot(x, y, ".", color=GROUNDED, ms=4)
    y, x = np.nonzero(conflicts)
    panel.plot(x, y, "x", color="#d62728", ms=6, mew=1.5)
    panel.set_title(f"{caption}\n{len(x)} contradicted cells", fontsize=9)
    panel.set_xticks([])
    panel.set_yticks([])
