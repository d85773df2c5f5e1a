"""Valid trajectories and detour robustness: does the model find its way, also from where it would not have gone?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nextlat_rl.metrics.state_space import StateSpace, Traveller, Trip, allowed, state_after


@dataclass(frozen=True)
class Journey:
    """A roll-out: its last move may be illegal; `arrived` if all are legal and it ended exactly at the goal."""

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
        limit: moves, a last `stop` among them.
        detours: probability that, away from the goal, a random legal move replaces the model's (another one where
            there is one) from which the goal can still be reached in time.
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
    """A legal move that keeps the goal within the moves that are left after it; the model's if there is none."""
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
