"""What the explorer expects in unknown cells: walls continue straight, and floor is near floor.

Sets of cells are integers, bit i for cell i of the map.
"""

from nextlat_rl.envs.minigrid.explorer_map import CELLS, WIDTH

RUN = 2  # known wall cells in a row after which a wall is expected to continue
EXTENSION = 4  # cells that it is expected to continue for
NEAR, MIDDLE, FAR = 2, 5, 8  # distances in cells to known floor, by which unknown cells are grouped

_BOARD = (1 << CELLS) - 1


def expected_walls(solid: int, unknown: int) -> int:
    """Unknown cells in line with at least `RUN` solid ones."""
    walls = 0
    for stride in (1, WIDTH):
        onward, backward = solid, solid
        for i in range(1, RUN):
            onward &= solid << i * stride
            backward &= solid >> i * stride
        for _ in range(EXTENSION):
            onward, backward = onward << stride & unknown, backward >> stride & unknown
            walls |= onward | backward
    return walls


def unknown_by_distance(free: int, unknown: int, walls: int) -> tuple[int, int, int, int]:
    """Unknown cells near, at a medium distance and far from known floor, and expected walls next to any of these.

    Distances are along unknown cells that are not expected to be walls.
    """
    groups, reached, candidates = [0, 0, 0], free, unknown & ~walls
    everything = free
    for distance in range(1, FAR + 1):
        reached = spread(reached) & candidates
        candidates &= ~reached
        everything |= reached
        groups[(distance > NEAR) + (distance > MIDDLE)] |= reached
    return groups[0], groups[1], groups[2], spread(everything) & walls


def spread(cells: int) -> int:
    """The cells and their four neighbours."""
    return (cells | cells << 1 | cells >> 1 | cells << WIDTH | cells >> WIDTH) & _BOARD
