"""Valid trajectories, detour robustness and the next-token test: how good the model's own trips are."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nextlat_rl.metrics.state_space import StateSpace, Traveller, Trip, allowed, state_after


@dataclass(frozen=True)
class Journey:
    """A roll-out, whose last move may be illegal; `arrived` if all are legal and it ended exactly at the goal."""

    trip: Trip
    arrived: bool


def travel(
    model: Traveller,
    space: StateSpace,
    trips: Sequence[Trip],
    limit: int,
    detours: float = 0.0,
    rng: np.random.Generator | None = None,
) -> list[Journey]:
    """Greedy roll-outs that continue `trips` by at most `limit` moves.

    Args:
        model: its most likely move is taken.
        space: the world.
        trips: legal so far.
        limit: moves, including `stop`.
        detours: probability at each state but the goal that a random legal move, if possible another one, replaces the
            model's; the goal can still be reached within `limit` after it.
        rng: of the detours.
    """
    rng = rng or np.random.default_rng(0)
    trips, arrived = list(trips), [False] * len(trips)
    states = [state_after(space, trip) for trip in trips]
    running = list(range(len(trips)))
    for left in range(limit - 1, -1, -1):
        if not running:
            break
        moves = model.log_probs([trips[i] for i in running]).argmax(axis=1)
        for i, move in zip(tuple(running), moves.tolist(), strict=True):
            state, goal = states[i], trips[i].goal
            if state != goal and rng.random() < detours:
                move = _detour(space, state, goal, move, left, rng)
            trips[i] = trips[i].then(move)
            if move in space.legal(state):
                states[i] = space.step(state, move)
            legal = move in allowed(space, state, goal)
            arrived[i] = legal and (move == space.stop if space.stop is not None else states[i] == goal)
            if arrived[i] or not legal:
                running.remove(i)
    return [Journey(trip, done) for trip, done in zip(trips, arrived, strict=True)]


def _detour(space: StateSpace, state: int, goal: int, move: int, left: int, rng: np.random.Generator) -> int:
    """A legal move after which the goal is at most `left` moves away; the model's if there is none."""
    in_time = left - (space.stop is not None)
    open_moves = [m for m in space.legal(state) if space.distance(space.step(state, m), goal) <= in_time]
    others = [m for m in open_moves if m != move] or open_moves
    return others[int(rng.integers(len(others)))] if others else move


def valid_trajectories(model: Traveller, space: StateSpace, trips: Sequence[Trip], limit: int) -> float:
    """Share of greedy roll-outs that make only legal moves and end exactly at the goal (arXiv 2511.05963, metrics)."""
    return float(np.mean([journey.arrived for journey in travel(model, space, trips, limit)]))


def detour_robustness(
    model: Traveller, space: StateSpace, trips: Sequence[Trip], limit: int, rate: float = 0.75, seed: int = 0
) -> float:
    """The same share when `rate` of the model's moves are replaced by detours (arXiv 2406.03689, 2511.05963)."""
    journeys = travel(model, space, trips, limit, rate, np.random.default_rng(seed))
    return float(np.mean([journey.arrived for journey in journeys]))


def next_token_test(model: Traveller, space: StateSpace, trips: Sequence[Trip]) -> float:
    """Share of the proper beginnings of legal trips after which the most likely move is legal (arXiv 2406.03689).

    The easiest of the map metrics: a poor map can pass, since most moves are legal in most places.
    """
    beginnings = [Trip(t.start, t.goal, t.moves[:k]) for t in trips for k in range(len(t.moves))]
    moves = model.log_probs(beginnings).argmax(axis=1).tolist()
    legal = [
        move in allowed(space, state_after(space, trip), trip.goal)
        for trip, move in zip(beginnings, moves, strict=True)
    ]
    return float(np.mean(legal))
