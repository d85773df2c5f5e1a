"""Real against imagined observations along one held-out episode."""

from collections.abc import Callable, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure

from nextlat_rl.plotting.style import OPEN_LOOP, REAL
from nextlat_rl.types import Batch
from nextlat_rl.world_model import WorldModel

Draw = Callable[[Any], np.ndarray]


@torch.no_grad()
def dream_figure(world_model: WorldModel, batch: Batch, horizon: int, draw: Draw | None) -> Figure | None:
    """Observations of one episode and those that the model imagines for the same actions, from a third of it on.

    Args:
        world_model: the trained model.
        batch: held-out windows; the longest episode in them is shown.
        horizon: how many steps to imagine (closed-loop, most likely observations).
        draw: turns an observation into an RGB image; without it the components of a vector are plotted.

    Returns:
        None where observations can neither be drawn nor plotted, or no episode is long enough.
    """
    row, first, last = _longest_episode(batch)
    start = first + (last - first) // 3
    stop = min(start + horizon, last)
    if stop <= start:
        return None
    belief = world_model.beliefs(batch)[row : row + 1, start]
    imagined = world_model.imagine(belief, batch.action[row : row + 1, start:stop], rollout="argmax")
    real = {name: leaf[row, start + 1 : stop + 1] for name, leaf in batch.observation.items()}
    guess = {name: leaf[0] for name, leaf in imagined.observation.items()}
    if draw is not None:
        columns = np.unique(np.linspace(0, stop - start - 1, min(10, stop - start)).astype(int))
        real_images = [draw(o) for o in world_model.decode_observations(real)]
        images = [draw(o) for o in world_model.decode_observations(guess)]
        return _film_strip(
            [real_images[i] for i in columns], [images[i] for i in columns], [f"+{i + 1}" for i in columns]
        )
    vectors = [name for name, leaf in real.items() if leaf.ndim == 2 and leaf.is_floating_point()]
    if not vectors:
        return None
    names = [f"{name}[{i}]" for name in vectors for i in range(real[name].shape[1])]
    truth, dream = (torch.cat([part[name] for name in vectors], dim=1).cpu().numpy() for part in (real, guess))
    return _curves_figure(truth, dream, names)


def _longest_episode(batch: Batch) -> tuple[int, int, int]:
    """Row, first and last column of the longest run of connected steps."""
    best = (0, 0, 0)
    for row, connected in enumerate(batch.has_next.cpu().numpy()):
        edges = np.flatnonzero(np.diff(np.concatenate(([0], connected.astype(int), [0]))))
        for first, last in zip(edges[::2], edges[1::2], strict=True):
            if last - first > best[2] - best[1]:
                best = (row, int(first), int(last))
    return best


def _film_strip(real: Sequence[np.ndarray], imagined: Sequence[np.ndarray], captions: Sequence[str]) -> Figure:
    """K real RGB images above the K imagined ones, each column with a caption."""
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


def _curves_figure(real: np.ndarray, imagined: np.ndarray, names: Sequence[str]) -> Figure:
    """Real and imagined vectors `[K, n]` over a horizon of K steps, a panel for each of n names, 12 at most."""
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
            panel.plot(imagined[:, i], color=OPEN_LOOP, lw=1.6, ls="--", label="imagined")
            panel.set_title(names[i], fontsize=9)
            panel.spines[["top", "right"]].set_visible(False)
    axes.flat[0].legend(frameon=False, fontsize=8)
    return figure
