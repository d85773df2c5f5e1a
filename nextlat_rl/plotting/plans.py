"""Action sequences that a planner compared, drawn as the observations imagined along them."""

from collections.abc import Callable
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from nextlat_rl.imagination import Imagination
from nextlat_rl.plotting.style import GROUNDED, OPEN_LOOP
from nextlat_rl.world_model import WorldModel


def plan_figure(
    world_model: WorldModel,
    belief: Tensor,
    lines: list[Tensor],
    captions: list[str],
    draw: Callable[[Any], np.ndarray] | None,
    observation: Any,
) -> Figure:
    """A row for each action sequence: the imagined observations, and the value along it.

    Args:
        world_model: the trained model (closed-loop, most likely observations).
        belief: `[1, D]` at the decision.
        lines: stored actions `[K, *action]` of each sequence, the chosen one first.
        captions: a title for each.
        draw: turns an observation into an RGB image; without it the components of the observation are plotted.
        observation: the one at the decision.
    """
    longest = max(len(line) for line in lines)
    columns = longest + 2 if draw else 2
    figure = plt.figure(figsize=(min(1.15 * columns + 1, 16), 1.75 * len(lines) + 0.3), layout="constrained")
    parts = figure.subfigures(len(lines), 1, squeeze=False)[:, 0]
    for i, (part, line, caption) in enumerate(zip(parts, lines, captions, strict=True)):
        chosen = i == 0
        dream = world_model.imagine(belief, line[None], rollout="argmax")
        part.suptitle(("chosen: " if chosen else "") + caption, fontsize=8, x=0.01, ha="left")
        axes = part.subplots(1, columns, squeeze=False)[0]
        if draw:
            images = [draw(observation)] + [draw(o) for o in _observations(world_model, dream)]
            _film(axes[:-1], images, [float(a) for a in dream.alive[0]])
        else:
            _curves(axes[0], dream)
        _values(axes[-1], dream, GROUNDED if chosen else OPEN_LOOP)
    return figure


def _observations(world_model: WorldModel, dream: Imagination) -> list[Any]:
    return world_model.decode_observations({name: leaf[0] for name, leaf in dream.observation.items()})


def _film(axes: Any, images: list[np.ndarray], alive: list[float]) -> None:
    """The observations in order; steps after an imagined end stay empty."""
    for k, panel in enumerate(axes):
        panel.axis("off")
        if k < len(images) and (k == 0 or alive[k - 1] > 0):
            panel.imshow(images[k], interpolation="nearest")
            panel.set_title("now" if k == 0 else f"+{k}", fontsize=7)


def _curves(axes: Axes, dream: Imagination) -> None:
    """Components of the imagined vector observations."""
    vectors = [leaf[0].cpu() for leaf in dream.observation.values() if leaf.ndim == 3 and leaf.is_floating_point()]
    if vectors:
        axes.plot(range(1, len(vectors[0]) + 1), torch.cat(vectors, dim=1), lw=1)
    axes.set_xlabel("imagined observation", fontsize=7)
    axes.tick_params(labelsize=6)


def _values(axes: Axes, dream: Imagination, colour: str) -> None:
    axes.plot(dream.value[0].cpu(), color=colour, marker=".", lw=1.2)
    axes.set_title("value", fontsize=7)
    axes.tick_params(labelsize=6)
    axes.spines[["top", "right"]].set_visible(False)
