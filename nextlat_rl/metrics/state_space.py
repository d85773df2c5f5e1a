"""Interfaces of the map metrics: a world with known states, and a model that makes trips in it.

A world is a deterministic automaton, as in Vafa et al. (arXiv 2406.03689): a street map, a board, a group. States and
moves are integers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np


@dataclass(frozen=True)
class Trip:
    """Start, goal and the moves made so far."""

    start: int
    goal: int
    moves: tuple[int, ...] = ()

    def then(self, move: int) -> Trip:
        """The trip with one more move."""
        return Trip(self.start, self.goal, (*self.moves, move))


class StateSpace(Protocol):
    """A deterministic world.

    `stop` is the move that ends a trip, legal at the goal only; None where reaching the goal ends it.
    """

    stop: int | None

    def legal(self, state: int) -> Sequence[int]:
        """Legal moves in a state, without `stop`."""

    def step(self, state: int, move: int) -> int:
        """State after a legal move."""

    def distance(self, state: int, goal: int) -> float:
        """Fewest moves from a state to a goal, infinite where there is no path."""


class Traveller(Protocol):
    """A model that chooses the moves of trips."""

    def log_probs(self, trips: Sequence[Trip]) -> np.ndarray:
        """Log-probabilities `[N, moves]` of the next move after each of N trips."""


def allowed(space: StateSpace, state: int, goal: int) -> list[int]:
    """Legal moves in a state, at the goal with `stop`."""
    stop = [] if space.stop is None or state != goal else [space.stop]
    return [*space.legal(state), *stop]


def state_after(space: StateSpace, trip: Trip) -> int:
    """The state that a trip has reached; `stop` does not change it.

    Raises:
        ValueError: one of its moves is illegal.
    """
    state = trip.start
    for move in trip.moves:
        if move not in allowed(space, state, trip.goal):
            raise ValueError(f"move {move} of {trip} is illegal in state {state}")
        if move != space.stop:
            state = space.step(state, move)
    return state
