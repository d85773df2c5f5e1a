"""Map of the cells that an agent has observed, with its pose by dead reckoning."""

from typing import Any

import numpy as np

from nextlat_rl.envs.minigrid import constants as grid
from nextlat_rl.envs.minigrid.constants import CLOSED_DOOR, DOOR, EMPTY, FORWARD, GOAL, KEY, LOCKED_DOOR
from nextlat_rl.envs.minigrid.visibility import HALF, VIEW
from nextlat_rl.errors import UserError

WIDTH = 64  # the map's side; the start is in its middle, so levels up to 25x25 (the largest MiniGrid has) fit
CELLS = WIDTH * WIDTH
OFFSETS = tuple(dx + dy * WIDTH for dx, dy in grid.STEPS)

OWN = HALF * VIEW + VIEW - 1  # position of the agent's own cell in a flattened image
_COLUMN, _ROW = (index.ravel() for index in np.indices((VIEW, VIEW)))
VIEW_CELLS = tuple(  # offsets of the 49 cells in view, by direction
    (VIEW - 1 - _ROW) * OFFSETS[direction] + (_COLUMN - HALF) * OFFSETS[(direction + 1) % 4] for direction in range(4)
)
_CODES = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 256, axis=1)
_CODES[DOOR, grid.CLOSED] = CLOSED_DOOR
_CODES[DOOR, grid.LOCKED] = LOCKED_DOOR
_PASSABLE = np.isin(np.arange(256), (EMPTY, grid.FLOOR, DOOR, GOAL))
_OPAQUE = np.isin(np.arange(256), (grid.WALL, CLOSED_DOOR, LOCKED_DOOR))


class ExplorerMap:
    """Cells seen so far, the agent's pose and the key that it carries. It starts in the middle of the map."""

    def __init__(self) -> None:
        self.codes = np.zeros(CELLS, dtype=np.uint8)
        self.colours = np.zeros(CELLS, dtype=np.uint8)
        self.cell = WIDTH // 2 * (WIDTH + 1)
        self.codes[self.cell] = EMPTY
        self.direction = 0
        self.key: int | None = None  # colour of the key carried

    def observe(self, observation: Any, action: int | None) -> None:
        """Enter the observation that followed `action` (None at the start).

        Raises:
            UserError: not a MiniGrid observation with a 7x7 view, or the level is larger than the map.
        """
        if not _is_view(observation):
            raise UserError("behaviour 'explorer' needs MiniGrid observations: a 7x7 'image' and a 'direction'")
        image = observation["image"].reshape(-1, 3)
        if action == FORWARD and _PASSABLE[self.codes[self.cell + OFFSETS[self.direction]]]:
            self.cell += OFFSETS[self.direction]
        self.direction = int(observation["direction"])
        self._check_room()
        cells = VIEW_CELLS[self.direction] + self.cell
        seen = image[:, 0] != grid.UNSEEN
        seen[OWN] = False  # shows the object carried instead of the cell
        seen_cells = cells[seen]
        self.codes[seen_cells] = _CODES[image[:, 0], image[:, 2]][seen]
        self.colours[seen_cells] = image[seen, 1]
        self.key = int(image[OWN, 1]) if image[OWN, 0] == KEY else None

    def _check_room(self) -> None:
        y, x = divmod(self.cell, WIDTH)
        if not (VIEW <= x < WIDTH - VIEW and VIEW <= y < WIDTH - VIEW):
            raise UserError("the level is too large for behaviour 'explorer' (up to 25x25); use 'random' or 'expert'")

    def passable(self) -> np.ndarray:
        """[CELLS] bool, known cells that the agent can enter safely (not lava)."""
        return _PASSABLE[self.codes]

    def opaque(self) -> np.ndarray:
        """[CELLS] bool, known cells that block sight."""
        return _OPAQUE[self.codes]

    def unknown(self) -> np.ndarray:
        """[CELLS] bool, cells never seen."""
        return self.codes == grid.UNSEEN

    def where(self, code: int) -> np.ndarray:
        """Indices of the cells with `code`."""
        return np.flatnonzero(self.codes == code)

    def count_landmarks(self) -> int:
        """Number of goals and keys seen."""
        return int(np.count_nonzero((self.codes == GOAL) | (self.codes == KEY)))

    def view_after(self, actions: list[int]) -> np.ndarray:
        """Indices of the 49 cells in the field of view after turning and walking freely."""
        cell, direction = self.cell, self.direction
        for action in actions:
            if action == FORWARD:
                cell += OFFSETS[direction]
            else:
                direction = (direction + (1 if action == grid.RIGHT else -1)) % 4
        return VIEW_CELLS[direction] + cell


def as_bits(cells: np.ndarray) -> int:
    """[CELLS] bool as an integer with bit i for cell i."""
    return int.from_bytes(np.packbits(cells, bitorder="little").tobytes(), "little")


def as_cells(bits: int) -> np.ndarray:
    """Inverse of `as_bits`, [CELLS] bool."""
    data = np.frombuffer(bits.to_bytes(CELLS // 8, "little"), dtype=np.uint8)
    return np.unpackbits(data, bitorder="little").view(bool)


def bits_at(cells: np.ndarray) -> int:
    """Integer with the bits of these cell indices set."""
    bits = 0
    for cell in cells.tolist():
        bits |= 1 << cell
    return bits


def _is_view(observation: Any) -> bool:
    return (
        isinstance(observation, dict)
        and "direction" in observation
        and getattr(observation.get("image"), "shape", None) == (VIEW, VIEW, 3)
    )
