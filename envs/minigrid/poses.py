"""Shortest paths over poses (cell, direction) on a flat board, with whole sets of poses as the bits of an integer.

A `Poses` value holds one integer per direction; bit i stands for cell i. One breadth-first step over all poses is then
a handful of shifts, which is what makes planning cheap in plain Python.
"""

from nextlat_rl.envs.minigrid.constants import FORWARD, LEFT, RIGHT

Poses = tuple[int, int, int, int]
NOWHERE: Poses = (0, 0, 0, 0)


def step_forward(poses: Poses, width: int) -> Poses:
    """Each pose one cell ahead; `width` is the board's row length."""
    return (poses[0] << 1, poses[1] << width, poses[2] >> 1, poses[3] >> width)


def facing(cells: int, width: int) -> Poses:
    """The poses that have a cell of the set `cells` directly ahead."""
    return (cells >> 1, cells >> width, cells << 1, cells << width)


def both(a: Poses, b: Poses) -> Poses:
    """Intersection."""
    return (a[0] & b[0], a[1] & b[1], a[2] & b[2], a[3] & b[3])


class Reach:
    """Breadth-first levels from one pose: `levels[t]` holds the poses first reached with t actions."""

    def __init__(self, cell: int, direction: int, free: int, width: int) -> None:
        start = [0, 0, 0, 0]
        start[direction] = 1 << cell
        self._start = (cell, direction)
        self._free = free
        self._width = width
        self.levels: list[Poses] = [(start[0], start[1], start[2], start[3])]
        self._visited = start

    def grow(self) -> Poses:
        """Add and return the next level, `NOWHERE` once everything reachable has been reached."""
        e, s, w, n = self.levels[-1]
        free, width, visited = self._free, self._width, self._visited
        level = (
            (e << 1 & free | n | s) & ~visited[0],
            (s << width & free | e | w) & ~visited[1],
            (w >> 1 & free | s | n) & ~visited[2],
            (n >> width & free | w | e) & ~visited[3],
        )
        for direction in range(4):
            visited[direction] |= level[direction]
        self.levels.append(level)
        return level

    def nearest(self, targets: Poses) -> list[int] | None:
        """Shortest action sequence to one of `targets`, None when none can be reached."""
        level, depth = self.levels[0], 0
        while level != NOWHERE:
            if both(level, targets) != NOWHERE:
                return self.actions_to(targets, depth)
            depth += 1
            level = self.levels[depth] if depth < len(self.levels) else self.grow()
        return None

    def actions_to(self, targets: Poses, depth: int) -> list[int]:
        """Actions to one of `targets` in level `depth`: of the shortest the first in the order forward, left, right.

        The order is egocentric on purpose: mirrored or rotated situations get the same actions, which is easy to clone.
        """
        wanted = both(targets, self.levels[depth])
        route = [wanted]
        for level in reversed(self.levels[:depth]):
            e, s, w, n = wanted
            ahead = (e >> 1, s >> self._width, w << 1, n << self._width)
            wanted = both(level, (ahead[0] | s | n, ahead[1] | w | e, ahead[2] | n | s, ahead[3] | e | w))
            route.append(wanted)
        route.reverse()
        return self._follow(route)

    def _follow(self, route: list[Poses]) -> list[int]:
        cell, direction = self._start
        offsets = (1, self._width, -1, -self._width)
        actions = []
        for wanted in route[1:]:
            ahead = cell + offsets[direction]
            if wanted[direction] >> ahead & 1:
                cell, action = ahead, FORWARD
            elif wanted[direction - 1] >> cell & 1:
                direction, action = (direction - 1) % 4, LEFT
            else:
                direction, action = (direction + 1) % 4, RIGHT
            actions.append(action)
        return actions
