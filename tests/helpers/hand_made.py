"""A street, a ring, and models of them whose mistakes are known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nextlat_rl.metrics.state_space import Trip

RIGHT, LEFT, UP, STOP = range(4)


class Town:
    """States 0..n-1 and the moves of a table (state, move) -> state."""

    def __init__(self, table: dict[tuple[int, int], int], stop: int | None = STOP) -> None:
        self.table, self.stop = table, stop

    def legal(self, state: int) -> Sequence[int]:
        return sorted(move for source, move in self.table if source == state)

    def step(self, state: int, move: int) -> int:
        return self.table[state, move]

    def distance(self, state: int, goal: int) -> float:
        reached, distance = {state}, 0
        while goal not in reached:
            further = reached | {target for (source, _), target in self.table.items() if source in reached}
            if further == reached:
                return np.inf
            reached, distance = further, distance + 1
        return distance


def street(length: int, stop: int | None = STOP) -> Town:
    """0 - 1 - ... - (length - 1)."""
    right = {(i, RIGHT): i + 1 for i in range(length - 1)}
    left = {(i, LEFT): i - 1 for i in range(1, length)}
    return Town(right | left, stop)


def ring(length: int) -> Town:
    """The same, closed."""
    right = {(i, RIGHT): (i + 1) % length for i in range(length)}
    return Town(right | {(i, LEFT): (i - 1) % length for i in range(length)})


def scores(moves: Sequence[int]) -> np.ndarray:
    """Log-probabilities `[N, 4]` of a model that is nearly sure of these."""
    return np.log(np.where(np.arange(4) == np.array(moves)[:, None], 0.97, 0.01))


class MapModel:
    """Finds its way on a map of its own: the first move, in the order of their numbers, that brings it nearer."""

    def __init__(self, town: Town) -> None:
        self.map = town

    def log_probs(self, trips: Sequence[Trip]) -> np.ndarray:
        return scores([self._next(trip) for trip in trips])

    def _next(self, trip: Trip) -> int:
        state = trip.start
        for move in trip.moves:
            state = self.map.table.get((state, move), state)
        if state == trip.goal:
            return STOP
        here = self.map.distance(state, trip.goal)
        return next(
            move for move in self.map.legal(state) if self.map.distance(self.map.step(state, move), trip.goal) < here
        )


class RoteModel:
    """Says its lines, whatever has happened."""

    def __init__(self, lines: Sequence[int]) -> None:
        self.lines = lines

    def log_probs(self, trips: Sequence[Trip]) -> np.ndarray:
        return scores([[*self.lines, *[STOP] * 99][len(trip.moves)] for trip in trips])


def believing(town: Town, *edges: tuple[int, int, int]) -> MapModel:
    """A model whose map has other edges than the town."""
    return MapModel(Town(town.table | {(source, move): target for source, move, target in edges}))


def all_trips(states: int) -> list[Trip]:
    """From everywhere to everywhere else."""
    return [Trip(start, goal) for start in range(states) for goal in range(states) if start != goal]
