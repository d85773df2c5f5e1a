"""Sequence compression: different histories of one state should be continued alike (Vafa et al., arXiv 2406.03689)."""

from collections.abc import Sequence

import numpy as np

from nextlat_rl.metrics.state_space import StateSpace, Traveller, Trip, state_after
from nextlat_rl.metrics.trips import travel


def sequence_compression(model: Traveller, space: StateSpace, pairs: Sequence[tuple[Trip, Trip]], limit: int) -> float:
    """Share of pairs whose greedy continuations are identical, up to `limit` moves or the first illegal one.

    Args:
        model: what is measured.
        space: the world.
        pairs: histories that reach the same state and share the goal, from `same_state_pairs`.
        limit: moves of a continuation.
    """
    firsts, seconds = zip(*pairs, strict=True)
    continued = []
    for side in (firsts, seconds):
        journeys = travel(model, space, side, limit)
        continued.append([j.trip.moves[len(trip.moves) :] for j, trip in zip(journeys, side, strict=True)])
    return float(np.mean([a == b for a, b in zip(*continued, strict=True)]))


def same_state_pairs(space: StateSpace, trips: Sequence[Trip], seed: int = 0) -> list[tuple[Trip, Trip]]:
    """Pair up, at random and each at most once, different trips that reach the same state and share the goal."""
    groups: dict[tuple[int, int], list[Trip]] = {}
    for trip in dict.fromkeys(trips):
        groups.setdefault((state_after(space, trip), trip.goal), []).append(trip)
    rng = np.random.default_rng(seed)
    pairs = []
    for group in groups.values():
        order = rng.permutation(len(group)).tolist()
        pairs += [(group[i], group[j]) for i, j in zip(order[::2], order[1::2], strict=False)]
    return pairs


def random_walks(space: StateSpace, ends: Sequence[tuple[int, int]], length: int, seed: int = 0) -> list[Trip]:
    """A trip of `length` random legal moves for each (start, goal), shorter where it runs out of moves.

    Only moves after which the goal is not reached yet, but can be, are taken.
    """
    rng = np.random.default_rng(seed)
    trips = []
    for start, goal in ends:
        trip, state = Trip(start, goal), start
        for _ in range(length):
            moves = [m for m in space.legal(state) if 0 < space.distance(space.step(state, m), goal) < np.inf]
            if not moves:
                break
            move = moves[int(rng.integers(len(moves)))]
            trip, state = trip.then(move), space.step(state, move)
        trips.append(trip)
    return trips
