"""Shortest paths over poses (cell, direction) on a flat board, with sets of poses as the bits of integers.

A `Poses` value holds one integer per direction; bit i stands for cell i. A breadth-first step over all poses is a few
shifts, which makes planning fast in plain Python.
"""

from nextlat_rl.envs.minigrid.constants import FORWARD, LEFT, RIGHT

Poses = tuple[int, int, int, int]
NOWHERE: Poses = (0, 0, 0, 0)


def facing(cells: int, width: int) -> Poses:
    """The poses with a cell of the set `cells` directly ahead; `width` is the board's row length."""
    return (cells >> 1, cells >> width, cells << 1, cells << width)


def both(a: Poses, b: Poses) -> Poses:
    """Intersection."""
    return (a[0] & b[0], a[1] & b[1], a[2] & b[2], a[3] & b[3])


class Reach:
    """Breadth-first levels from one pose: `levels[t]` holds the poses first reached with t actions."""

    def __init__(self, cell: int, direction: int, free: int, width: int) -> None:
        self._visited = [0, 0, 0, 0]
        self._visited[direction] = 1 << cell
        self._start, self._free, self._width = (cell, direction), free, width
        self.levels: list[Poses] = [(self._visited[0], self._visited[1], self._visited[2], self._visited[3])]

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
        """A shortest action sequence to one of `targets` in level `depth`, the first in the order forward, left, right.

        The order is egocentric, so that rotated situations get the same actions, which is easy to clone.
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
