"""What metrics of a world model ask of a world, and of a model that travels in it.

A world here is a deterministic automaton, as in Vafa et al. (arXiv 2406.03689): a street map, a board, a group. States
and moves are integers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np


@dataclass(frozen=True)
class Trip:
    """What a model has read and written: where from, where to, and the moves so far."""

    start: int
    goal: int
    moves: tuple[int, ...] = ()

    def then(self, move: int) -> Trip:
        """One move further."""
        return Trip(self.start, self.goal, (*self.moves, move))


class StateSpace(Protocol):
    """A deterministic world.

    `stop` is the move that says "arrived", legal at the goal alone; None where reaching the goal ends a trip.
    """

    stop: int | None

    def legal(self, state: int) -> Sequence[int]:
        """The moves that the world allows in a state, without `stop`."""

    def step(self, state: int, move: int) -> int:
        """Where a legal move leads."""

    def distance(self, state: int, goal: int) -> float:
        """The fewest moves from a state to a goal, infinite where there is no way."""


class Traveller(Protocol):
    """A model of trips."""

    def log_probs(self, trips: Sequence[Trip]) -> np.ndarray:
        """Log-probabilities `[N, moves]` of the next move after each of N trips."""


def allowed(space: StateSpace, state: int, goal: int) -> list[int]:
    """What may be said in a state: the legal moves, and at the goal `stop`."""
    stop = [] if space.stop is None or state != goal else [space.stop]
    return [*space.legal(state), *stop]


def state_after(space: StateSpace, trip: Trip) -> int:
    """The state that a trip has reached; a last `stop` stays where it is.

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
