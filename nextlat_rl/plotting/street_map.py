"""Drawing of a reconstructed map."""

from collections.abc import Iterable, Mapping

import matplotlib.pyplot as plt
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from nextlat_rl.metrics.reconstruction import Edge, Reconstruction
from nextlat_rl.plotting.style import REAL, STILL

WRONG = "#d62728"


def map_figure(
    place: Mapping[int, tuple[float, float]], world: Iterable[Edge], found: Reconstruction, title: str = ""
) -> Figure:
    """Streets that the model's trips used in black, unused ones in grey, streets that do not exist in red.

    Args:
        place: x and y of every state.
        world: the edges of the true map.
        found: from `reconstruct`.
        title: of the figure.
    """
    figure, axes = plt.subplots(figsize=(6, 6), layout="constrained")
    unused = set(world) - found.true
    layers = (("not used", unused, STILL, 0.6), ("used", found.true, REAL, 1.0), ("wrong", found.wrong, WRONG, 1.4))
    for name, edges, colour, width in layers:
        lines = [(place[source], place[target]) for source, _, target in sorted(edges)]
        axes.add_collection(LineCollection(lines, colors=colour, linewidths=width, label=f"{name} ({len(lines)})"))
    x, y = zip(*place.values(), strict=True)
    axes.scatter(x, y, s=4, color=REAL, zorder=3)
    axes.set_aspect("equal")
    axes.set_axis_off()
    axes.set_title(title)
    axes.legend(frameon=False, fontsize=8, loc="upper right")
    return figure
