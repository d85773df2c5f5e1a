"""Value of the views from many poses: MiniGrid's 7x7 field of view and its occlusion rule as table look-ups.

A row of the view is a 7-bit number. Light enters a row at the bits lit from the row nearer to the agent, spreads
sideways through transparent cells and passes on, also diagonally, from every transparent cell it reaches
(`minigrid.core.grid.Grid.process_vis`). So a row is one look-up: (lit bits, opaque bits) -> (seen bits, next row's).
"""

import functools

import numpy as np

VIEW = 7
HALF = VIEW // 2
FULL = (1 << VIEW) - 1
START = 1 << HALF  # the agent stands in the middle of its own row


@functools.cache
def row_tables() -> tuple[np.ndarray, np.ndarray]:
    """Look-up tables for a row of the view, both [2**14] int64 indexed by `lit << 7 | opaque`.

    Returns:
        The bits seen in the row, twice (in bits 0-6 and 7-13, to mask two groups at once), and the bits lit in the next
        row, already shifted by 7.
    """
    number = np.arange(1 << 2 * VIEW)
    seen, opaque = number >> VIEW, number & FULL
    for _ in range(VIEW):
        source = seen & ~opaque
        seen = seen | (source << 1 | source >> 1) & FULL
    source = seen & ~opaque
    following = (source | source << 1 | source >> 1) & FULL
    return seen << VIEW | seen, following << VIEW


def windows(cells: np.ndarray, stride: int) -> np.ndarray:
    """Every run of 7 cells along one axis of a flat board as an integer.

    Args:
        cells: [cells] integers; bits a multiple of 7 apart are packed independently of each other.
        stride: index distance of neighbours on the axis.

    Returns:
        [cells - 6 * stride]; entry i packs `cells[i + b * stride]` into bit b, so its middle cell is i + 3 * stride.
    """
    pairs = cells[:-stride] | cells[stride:] << 1
    fours = pairs[: -2 * stride] | pairs[2 * stride :] << 2
    # The two fours share a cell, so that no bit enters the next group of 7.
    return fours[: -3 * stride] | fours[3 * stride :] << 3


@functools.lru_cache(maxsize=8)
def _pair_values(weights: tuple[int, int]) -> np.ndarray:
    """Value of the set bits in two 7-bit groups, [2**14] int64."""
    number = np.arange(1 << 2 * VIEW)
    bits = number[:, None] >> np.arange(2 * VIEW) & 1
    return bits @ np.repeat(weights, VIEW)


def view_values(
    opaque: np.ndarray, planes: tuple[np.ndarray, ...], weights: tuple[int, ...], cells: np.ndarray, width: int
) -> np.ndarray:
    """Value of the view from each cell in each direction.

    Args:
        opaque: [board] 0/1, cells that block sight.
        planes: four disjoint sets of cells, each [board] 0/1.
        weights: value of seeing a cell of each set.
        cells: [C] board indices at least 7 cells away from the board's border.
        width: row length of the board.

    Returns:
        [4, C] int64; directions are east, south, west, north.
    """
    seen, following = row_tables()
    first, second = _pair_values((weights[0], weights[1])), _pair_values((weights[2], weights[3]))
    board = opaque.astype(np.int64)
    for i, plane in enumerate(planes, start=1):
        board |= plane.astype(np.int64) << VIEW * i
    along_rows, along_columns = windows(board, 1), windows(board, width)
    packed = np.concatenate([along_rows, along_columns])
    on_rows, on_columns = cells - HALF, cells - HALF * width + len(along_rows)
    index = np.concatenate([on_columns, on_rows, on_columns, on_rows])
    step = np.repeat([1, width, -1, -width], len(cells))
    lit = np.full(len(index), START << VIEW)
    total = np.zeros(len(index), dtype=np.int64)
    for _ in range(VIEW):
        row = packed[index]
        look_up = lit | row & FULL
        in_sight = seen[look_up]
        total += first[row >> VIEW & in_sight] + second[row >> 3 * VIEW & in_sight]
        lit = following[look_up]
        index += step
    return total.reshape(4, len(cells))
