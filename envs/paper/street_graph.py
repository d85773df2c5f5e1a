"""A directed street graph: where one may go from a crossing, and how far things are."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Mapping, Sequence

import numpy as np

UNREACHABLE = -1


class StreetGraph:
    """Crossings `0..n-1`, each with its legal moves.

    Args:
        moves: for each crossing, the next crossing by heading (an index into `headings`).
        headings: names of the headings.
        places: where the crossings are drawn, `[n, 2]`.

    """

    def __init__(self, moves: Sequence[Mapping[int, int]], headings: Sequence[str], places: np.ndarray) -> None:
        self.moves = [dict(sorted(at.items())) for at in moves]
        self.headings, self.places = tuple(headings), places
        self._into: list[list[int]] = [[] for _ in moves]
        for node, at in enumerate(self.moves):
            for following in at.values():
                self._into[following].append(node)

    def __len__(self) -> int:
        return len(self.moves)

    @property
    def edges(self) -> list[tuple[int, int, int]]:
        """Every street as (crossing, heading, next crossing)."""
        return [(node, heading, to) for node, at in enumerate(self.moves) for heading, to in at.items()]

    def legal_moves(self, node: int) -> tuple[int, ...]:
        """Headings that lead on from `node`."""
        return tuple(self.moves[node])

    def next_node(self, node: int, heading: int) -> int | None:
        """Where `heading` leads from `node`, None if there is no such street."""
        return self.moves[node].get(heading)

    def distances_to(self, goal: int) -> np.ndarray:
        """Streets on a shortest path from every crossing to `goal`, `[n]`; `UNREACHABLE` where there is none."""
        distances = [UNREACHABLE] * len(self)
        distances[goal] = 0
        queue = deque([goal])
        while queue:
            node = queue.popleft()
            for before in self._into[node]:
                if distances[before] == UNREACHABLE:
                    distances[before] = distances[node] + 1
                    queue.append(before)
        return np.array(distances)

    def distance(self, origin: int, goal: int) -> int:
        """Streets on a shortest path; `UNREACHABLE` if there is none."""
        return int(self.distances_to(goal)[origin])

    def can_reach(self, origin: int, goal: int) -> bool:
        """Whether any path leads from `origin` to `goal`."""
        return self.distance(origin, goal) != UNREACHABLE

    def strongly_connected(self) -> bool:
        """Whether every crossing can be reached from every other."""
        if (self.distances_to(0) == UNREACHABLE).any():
            return False
        seen, stack = {0}, [0]
        while stack:
            fresh = set(self.moves[stack.pop()].values()) - seen
            seen |= fresh
            stack += fresh
        return len(seen) == len(self)

    def cheapest_path(self, origin: int, goal: int, costs: np.ndarray) -> list[int]:
        """Headings of the path with the smallest sum of `costs` (`[n, headings]`, positive); `goal` can be reached."""
        best = {origin: (0.0, -1, -1)}  # cost, the crossing before, the heading taken there
        queue, done = [(0.0, origin)], set[int]()
        while queue:
            cost, node = heapq.heappop(queue)
            if node == goal:
                break
            if node in done:
                continue
            done.add(node)
            for heading, following in self.moves[node].items():
                total = cost + float(costs[node, heading])
                if following not in best or total < best[following][0]:
                    best[following] = (total, node, heading)
                    heapq.heappush(queue, (total, following))
        path = []
        while goal != origin:
            _, goal, heading = best[goal]
            path.append(heading)
        return path[::-1]
