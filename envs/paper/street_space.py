"""A street map as a `StateSpace` for `nextlat_rl.metrics`, and a trip as the episode that the model reads."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from nextlat_rl.envs.paper.street_graph import UNREACHABLE
from nextlat_rl.envs.paper.street_map import StreetMapEnv, is_held_out

if TYPE_CHECKING:
    from nextlat_rl.metrics.state_space import Trip


class StreetSpace:
    """A `StateSpace`: states are crossings, moves are headings, and `stop` is the word `end`."""

    def __init__(self, env: StreetMapEnv) -> None:
        self.graph = env.graph
        self.stop: int | None = env.end
        # The environment's actions for the moves 0, 1, ..., `stop`.
        self.moves = range(env.end + 1)
        self._silence, self._wait = env.silence, env.wait

    def legal(self, state: int) -> tuple[int, ...]:
        """Headings that lead on."""
        return self.graph.legal_moves(state)

    def step(self, state: int, move: int) -> int:
        """The next crossing."""
        return self.graph.moves[state][move]

    def distance(self, state: int, goal: int) -> float:
        """Streets on a shortest path, infinite where there is none."""
        return float(self._distances[goal][state])

    def nearby(self, state: int) -> list[int]:
        """All other crossings, the nearest as the crow flies first."""
        away = np.linalg.norm(self.graph.places - self.graph.places[state], axis=1)
        return [node for node in np.argsort(away, kind="stable").tolist() if node != state]

    def read(self, trip: Trip) -> tuple[list[int], list[int]]:
        """Observations and actions of the episode in which `trip` is made: wait for the destination, then move."""
        return [trip.start, trip.goal, *[self._silence] * len(trip.moves)], [self._wait, *trip.moves]

    def pairs(self, held_out: bool) -> list[tuple[int, int]]:
        """All pairs of origin and destination that are held out, or all that are not."""
        nodes = range(len(self.graph))
        return [(a, b) for a in nodes for b in nodes if a != b and is_held_out(a, b) == held_out]

    @cached_property
    def _distances(self) -> np.ndarray:
        """`[goal, state]`, infinite where there is no path."""
        steps = np.array([self.graph.distances_to(goal) for goal in range(len(self.graph))], dtype=float)
        return np.where(steps == UNREACHABLE, np.inf, steps)
