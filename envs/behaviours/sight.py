"""How much an agent would see from a pose: MiniGrid's 7x7 field of view and its occlusion rule as table look-ups.

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
    """Bits seen in a row and bits lit in the next, both [2**14] uint8 indexed by `lit << 7 | opaque`."""
    number = np.arange(1 << 2 * VIEW)
    seen, opaque = number >> VIEW, number & FULL
    for _ in range(VIEW):
        source = seen & ~opaque
        seen = seen | ((source << 1 | source >> 1) & FULL)
    source = seen & ~opaque
    following = (source | source << 1 | source >> 1) & FULL
    return seen.astype(np.uint8), following.astype(np.uint8)


def windows(cells: np.ndarray, stride: int) -> np.ndarray:
    """Every run of 7 cells along one axis of a flat board as a number.

    Args:
        cells: [cells] integers; bits a multiple of 7 apart are packed independently of each other.
        stride: index distance of neighbours on the axis.

    Returns:
        [cells - 6 * stride]; entry i packs `cells[i + b * stride]` into bit b, so its middle cell is i + 3 * stride.
    """
    pairs = cells[:-stride] | cells[stride:] << 1
    fours = pairs[: -2 * stride] | pairs[2 * stride :] << 2
    # 4 + 4 bits would overlap the next group: take the last three cells as a shifted four and mask by construction.
    return fours[: -3 * stride] | fours[3 * stride :] << 3


def new_cells(opaque, planes, weights, cells, width):
    seen, following = row_tables()
    board = opaque.astype(np.int64)
    for i, p in enumerate(planes): board |= p.astype(np.int64) << (7 + 7 * i)
    along_rows, along_columns = windows(board, 1), windows(board, width)
    packed = np.concatenate([along_rows, along_columns])
    on_rows, on_columns = cells - HALF, cells - HALF * width + len(along_rows)
    index = np.concatenate([on_columns, on_rows, on_columns, on_rows])
    step = np.repeat([1, width, -1, -width], len(cells))
    lit = np.full(len(index), START << VIEW, dtype=np.uint16)
    total = np.zeros(len(index))
    for _ in range(VIEW):
        row = packed[index]
        look_up = lit | (row & FULL)
        v = seen[look_up]
        for i, w in enumerate(weights):
            total += w * _BITS[v & (row >> (7 + 7 * i) & FULL)]
        lit = following[look_up].astype(np.uint16) << VIEW
        index = index + step
    return total.reshape(4, len(cells))


_BITS = np.array([bits.bit_count() for bits in range(1 << VIEW)], dtype=np.uint8)
