"""A directed street graph: the legal moves at each crossing, distances and cheapest paths."""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

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
        self._from, self._heading, self._to = np.array(self.edges).reshape(-1, 3).T
        self._reversed = self._matrix(np.ones(len(self._to))).T.tocsr()

    def __len__(self) -> int:
        return len(self.moves)

    @property
    def edges(self) -> list[tuple[int, int, int]]:
        """Every street as (crossing, heading, next crossing)."""
        return [(node, heading, to) for node, at in enumerate(self.moves) for heading, to in at.items()]

    def legal_moves(self, node: int) -> tuple[int, ...]:
        """Headings that lead on from `node`."""
        return tuple(self.moves[node])

    def distances_to(self, goal: int) -> np.ndarray:
        """Streets on a shortest path from every crossing to `goal`, `[n]`; `UNREACHABLE` where there is none."""
        distances = dijkstra(self._reversed, indices=goal, unweighted=True)
        return np.where(np.isinf(distances), UNREACHABLE, distances).astype(int)

    def cheapest_path(self, origin: int, goal: int, costs: np.ndarray) -> list[int]:
        """Headings of the path with the smallest sum of `costs` (`[n, headings]`, positive).

        `goal` has to be reachable, and no two streets may connect the same crossings in one direction.
        """
        streets = self._matrix(costs[self._from, self._heading])
        before = dijkstra(streets, indices=origin, return_predecessors=True)[1]
        path, node = list[int](), goal
        while node != origin:
            last, node = node, int(before[node])
            path.append(next(heading for heading, to in self.moves[node].items() if to == last))
        return path[::-1]

    def _matrix(self, weights: np.ndarray) -> csr_array:
        """`[n, n]`, the weight of the street from row to column."""
        return csr_array((weights, (self._from, self._to)), shape=(len(self), len(self)))
