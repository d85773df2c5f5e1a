"""Observations as pictures."""

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np

_TILE = 16


def observation_drawer(space: gym.Space) -> Callable[[Any], np.ndarray] | None:
    """A function from an observation of `space` to an RGB image `[H, W, 3]` uint8, None if it cannot be drawn.

    MiniGrid's symbolic view is drawn with MiniGrid's own tiles, cells out of sight in grey; images stay as they are.
    """
    if isinstance(space, gym.spaces.Dict) and "image" in space.spaces:
        inner = observation_drawer(space.spaces["image"])
        return None if inner is None else lambda observation: inner(observation["image"])
    if not isinstance(space, gym.spaces.Box) or space.dtype != np.uint8:
        return None
    if len(space.shape) == 3 and space.shape[-1] == 3 and max(space.shape[:2]) < 16:
        return _draw_symbols
    if len(space.shape) == 3 and space.shape[-1] in (1, 3):
        return lambda image: np.broadcast_to(image, (*image.shape[:2], 3))
    if len(space.shape) == 2:
        return lambda image: np.repeat(image[..., None], 3, axis=-1)
    return None


def _draw_symbols(image: np.ndarray) -> np.ndarray:
    from minigrid.core.constants import OBJECT_TO_IDX
    from minigrid.core.grid import Grid

    cells = np.array(image)
    cells[cells[..., 0] == OBJECT_TO_IDX["agent"]] = (OBJECT_TO_IDX["empty"], 0, 0)
    grid, visible = Grid.decode(cells)
    width, height = cells.shape[:2]
    picture = grid.render(_TILE, agent_pos=(width // 2, height - 1), agent_dir=3, highlight_mask=visible)
    hidden = np.kron(~visible.T, np.ones((_TILE, _TILE), dtype=bool))
    picture[hidden] = 90
    return picture
