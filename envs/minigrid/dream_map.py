"""The map that dead reckoning draws from an episode in a MiniGrid world, and where the episode contradicts it.

The pose follows from the actions: a turn always succeeds, a step forward if the cell in front, as the last view shows
it, can be entered. Each view is then entered into the map. In a real episode a cell keeps its kind of object, unless
the agent picked up, dropped or toggled something there; a dream may show a wall where it has shown a door.
"""

from dataclasses import dataclass

import numpy as np

from nextlat_rl.envs.minigrid import constants as grid
from nextlat_rl.envs.minigrid.explorer_map import CELLS, OFFSETS, OWN, VIEW_CELLS, WIDTH
from nextlat_rl.envs.minigrid.visibility import VIEW

_FRONT = OWN - 1  # position of the cell in front of the agent in a flattened view
_CELLS, _OFFSETS = np.array(VIEW_CELLS), np.array(OFFSETS)
_HANDS = (grid.PICKUP, grid.DROP, grid.TOGGLE)


@dataclass(frozen=True)
class DreamMaps:
    """Maps of N episodes, and their contradictions: cells in view that were seen before as another kind of object.

    Attributes:
        objects: `[N, 64, 64]` uint8, MiniGrid's object codes by row and column as last seen, 0 where never seen; an
            episode starts in the middle.
        conflicts: `[N, 64, 64]` bool, the cells that were contradicted.
        path: `[N, 64, 64]` bool, the cells that the agent was on.
        by_step: `[N, K + 1]` contradictions in each view.
        checked: `[N, K + 1]` bool, the views that were entered: those of the episode, until it leaves the map.
    """

    objects: np.ndarray
    conflicts: np.ndarray
    path: np.ndarray
    by_step: np.ndarray
    checked: np.ndarray

    @property
    def contradictions_per_step(self) -> float:
        """Mean over all steps, the first view left out."""
        return float(self.by_step.sum() / max(self.checked[:, 1:].sum(), 1))

    @property
    def so_far(self) -> np.ndarray:
        """`[N, K]` contradictions up to and with the view after each step."""
        return self.by_step.cumsum(1)[:, 1:]


def dream_maps(
    views: np.ndarray, actions: np.ndarray, length: np.ndarray, first_direction: np.ndarray | None = None
) -> DreamMaps:
    """Draw the maps.

    Args:
        views: `[N, K + 1, 7, 7, 3]` MiniGrid's symbolic views, the first one included.
        actions: `[N, K]` MiniGrid's action codes.
        length: `[N]` steps of each episode.
        first_direction: `[N]` direction at the start, MiniGrid's code; without it the map's east is the agent's.
    """
    count, steps = actions.shape
    rows = np.arange(count)
    flat = views.reshape(count, steps + 1, VIEW * VIEW, 3)
    objects = np.zeros((count, CELLS), np.uint8)
    conflicts, path = np.zeros((2, count, CELLS), bool)
    by_step, checked = np.zeros((count, steps + 1), int), np.zeros((count, steps + 1), bool)
    cell = np.full(count, WIDTH // 2 * (WIDTH + 1))
    direction = np.zeros(count, int) if first_direction is None else first_direction.astype(int)
    active = np.ones(count, bool)
    for t in range(steps + 1):
        if t:
            cell, direction = _moved(cell, direction, flat[:, t - 1, _FRONT], actions[:, t - 1])
        active = active & (t <= length) & _inside(cell)
        here = rows[active]
        front = cell[here] + _OFFSETS[direction[here]]
        if t:  # what hands have changed is forgotten
            used = np.isin(actions[here, t - 1], _HANDS)
            objects[here[used], front[used]] = grid.UNSEEN
        checked[here, t] = True
        path[here, cell[here]] = True
        by_step[here, t] = _enter(objects, conflicts, here, _CELLS[direction[here]] + cell[here, None], flat[here, t])
    shape = (count, WIDTH, WIDTH)
    return DreamMaps(objects.reshape(shape), conflicts.reshape(shape), path.reshape(shape), by_step, checked)


def _moved(
    cell: np.ndarray, direction: np.ndarray, front: np.ndarray, action: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Cells and directions `[N]` after actions `[N]`, with `front: [N, 3]` the cells that were ahead."""
    kind, state = front[:, 0], front[:, 2]
    free = np.isin(kind, (grid.EMPTY, grid.FLOOR, grid.GOAL, grid.LAVA)) | ((kind == grid.DOOR) & (state == grid.OPEN))
    ahead = np.where((action == grid.FORWARD) & free, _OFFSETS[direction], 0)
    turn = (action == grid.RIGHT).astype(int) - (action == grid.LEFT)
    return cell + ahead, (direction + turn) % 4


def _inside(cell: np.ndarray) -> np.ndarray:
    """`[N]` bool, whether the whole view lies on the map."""
    y, x = np.divmod(cell, WIDTH)
    return (np.minimum(x, y) >= VIEW) & (np.maximum(x, y) < WIDTH - VIEW)


def _enter(
    objects: np.ndarray, conflicts: np.ndarray, rows: np.ndarray, cells: np.ndarray, view: np.ndarray
) -> np.ndarray:
    """Enter views `[R, 49, 3]` at `cells: [R, 49]` into the maps of `rows: [R]`; contradictions `[R]`."""
    kind = view[..., 0]
    seen = kind != grid.UNSEEN
    seen[:, OWN] = False  # shows the object carried instead of the cell
    old = objects[rows[:, None], cells]
    wrong = seen & (old != grid.UNSEEN) & (old != kind)
    objects[rows[:, None], cells] = np.where(seen, kind, old)
    conflicts[rows[:, None], cells] |= wrong
    return wrong.sum(1)
