"""Reconstruction of a model's map: the edges that its trips use, and edges that they need but that do not exist.

A simple form of the reconstruction of Vafa et al. (arXiv 2406.03689): a trip is followed along the true map where
possible. An illegal move is taken as an edge of the model's map; it leads to the nearby state from which most of the
remaining moves can be followed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from nextlat_rl.metrics.state_space import StateSpace, Traveller, Trip

Edge = tuple[int, int, int]
"""State, move, next state."""


@dataclass
class Reconstruction:
    """Edges of the trips.

    Attributes:
        true: those that exist.
        wrong: those that do not.
        unexplained: number of trips that do not end at their goal even with the wrong edges.
    """

    true: set[Edge] = field(default_factory=set)
    wrong: set[Edge] = field(default_factory=set)
    unexplained: int = 0


def free_trips(
    model: Traveller, trips: Sequence[Trip], stop: int, limit: int, rng: np.random.Generator | None = None
) -> list[Trip]:
    """Continue `trips` until `stop` by at most `limit` moves, legal or not: the most likely, or drawn with `rng`."""
    trips = list(trips)
    running = list(range(len(trips)))
    for _ in range(limit):
        if not running:
            break
        scores = model.log_probs([trips[i] for i in running])
        if rng is not None:
            scores = scores + rng.gumbel(size=scores.shape)
        for i, move in zip(running, scores.argmax(axis=1).tolist(), strict=True):
            trips[i] = trips[i].then(move)
        running = [i for i in running if trips[i].moves[-1] != stop]
    return trips


def reconstruct(space: StateSpace, trips: Sequence[Trip], nearby: Callable[[int], Sequence[int]]) -> Reconstruction:
    """The map that explains a model's trips; a wrong edge found in one trip is kept for the later ones.

    Args:
        space: the true world.
        trips: from `free_trips`.
        nearby: the states that a wrong edge may lead to from a state, in order of preference.
    """
    believed: dict[tuple[int, int], int] = {}
    found = Reconstruction()
    for trip in trips:
        state = trip.start
        moves = [move for move in trip.moves if move != space.stop]
        for k, move in enumerate(moves):
            if move in space.legal(state):
                target = space.step(state, move)
                found.true.add((state, move, target))
            else:
                if (state, move) not in believed:
                    believed[state, move] = _wrong_edge(space, believed, nearby(state), moves[k + 1 :], trip.goal)
                target = believed[state, move]
                found.wrong.add((state, move, target))
            state = target
        found.unexplained += state != trip.goal
    return found


def _wrong_edge(
    space: StateSpace, believed: dict[tuple[int, int], int], candidates: Sequence[int], moves: Sequence[int], goal: int
) -> int:
    """The first of the candidates from which most moves can be followed."""
    return max(candidates, key=lambda state: _followed(space, believed, state, moves, goal))


def _followed(
    space: StateSpace, believed: dict[tuple[int, int], int], state: int, moves: Sequence[int], goal: int
) -> tuple[int, bool]:
    """How many of the moves can be followed from a state, and whether they then end at the goal."""
    for k, move in enumerate(moves):
        if move in space.legal(state):
            state = space.step(state, move)
        elif (state, move) in believed:
            state = believed[state, move]
        else:
            return k, False
    return len(moves), state == goal
