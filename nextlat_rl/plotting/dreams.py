"""Real against imagined observations along one held-out episode."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from nextlat_rl.plotting.figures import curves_figure, film_strip
from nextlat_rl.types import Batch
from nextlat_rl.world_model import WorldModel

Draw = Callable[[Any], np.ndarray]


@torch.no_grad()
def dream_figure(world_model: WorldModel, batch: Batch, horizon: int, draw: Draw | None) -> Figure | None:
    """What an episode brought, and what the model imagined from a third of the way on, given the same actions.

    Args:
        world_model: the trained model.
        batch: held-out windows; the longest episode in them is shown.
        horizon: how many steps to imagine (closed-loop, most likely observations).
        draw: turns an observation into an RGB image; without it the components of a vector are plotted.

    Returns:
        None where there is neither: observations that cannot be drawn or plotted.

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
        return film_strip(
            [real_images[i] for i in columns], [images[i] for i in columns], [f"+{i + 1}" for i in columns]
        )
    vectors = [name for name, leaf in real.items() if leaf.ndim == 2 and leaf.is_floating_point()]
    if not vectors:
        return None
    names = [f"{name}[{i}]" for name in vectors for i in range(real[name].shape[1])]
    truth, dream = (torch.cat([part[name] for name in vectors], dim=1).cpu().numpy() for part in (real, guess))
    return curves_figure(truth, dream, names)


def _longest_episode(batch: Batch) -> tuple[int, int, int]:
    """Row, first and last column of the longest run of connected steps."""
    best = (0, 0, 0)
    for row, connected in enumerate(batch.has_next.cpu().numpy()):
        edges = np.flatnonzero(np.diff(np.concatenate(([0], connected.astype(int), [0]))))
        for first, last in zip(edges[::2], edges[1::2], strict=True):
            if last - first > best[2] - best[1]:
                best = (row, int(first), int(last))
    return best
