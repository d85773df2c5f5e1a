"""Metrics of a model's map, on towns and models whose values are known."""

from __future__ import annotations

import numpy as np
import pytest

from nextlat_rl.metrics.compression import random_walks, same_state_pairs, sequence_compression
from nextlat_rl.metrics.state_space import Trip, state_after
from nextlat_rl.metrics.trips import detour_robustness, next_token_test, travel, valid_trajectories
from tests.helpers.hand_made import (
    LEFT,
    RIGHT,
    STOP,
    UP,
    MapModel,
    RoteModel,
    all_trips,
    believing,
    ring,
    street,
)

STREET = street(5)
SHORTCUT = (1, UP, 4)  # believed, not there: the way to 4 from 0 and from 1


def test_perfect_map_scores_one_everywhere() -> None:
    model, town = MapModel(ring(6)), ring(6)
    trips = all_trips(6)
    walks = random_walks(town, [(t.start, t.goal) for t in trips] * 4, length=4)
    complete = [journey.trip for journey in travel(model, town, trips, limit=10)]
    assert valid_trajectories(model, town, trips, limit=10) == 1.0
    assert detour_robustness(model, town, trips, limit=40) == 1.0
    assert sequence_compression(model, town, same_state_pairs(town, walks), limit=10) == 1.0
    assert next_token_test(model, town, complete) == 1.0


def test_valid_trajectories_with_one_wrong_edge() -> None:
    """18 of the 20 ways do not use it."""
    assert valid_trajectories(believing(STREET, SHORTCUT), STREET, all_trips(5), limit=9) == 18 / 20


def test_valid_trajectories_end_exactly_at_the_goal_and_in_time() -> None:
    trips = [Trip(0, 2)]
    for lines, limit, expected in (
        ([RIGHT, RIGHT], 3, 1.0),
        ([RIGHT, RIGHT], 2, 0.0),  # no time to stop
        ([RIGHT], 3, 0.0),  # stops short of it
        ([RIGHT, RIGHT, RIGHT, LEFT], 5, 1.0),  # passes it and comes back
        ([LEFT], 3, 0.0),  # off the street
    ):
        assert valid_trajectories(RoteModel(lines), STREET, trips, limit) == expected


def test_without_a_stop_reaching_the_goal_ends_a_trip() -> None:
    open_street = street(5, stop=None)
    (journey,) = travel(RoteModel([RIGHT] * 9), open_street, [Trip(0, 2)], limit=2)
    assert journey.arrived and journey.trip.moves == (RIGHT, RIGHT)
    (journey,) = travel(RoteModel([RIGHT, STOP]), open_street, [Trip(0, 2)], limit=2)
    assert not journey.arrived and journey.trip.moves == (RIGHT, STOP)


def test_detours_that_have_to_arrive_leave_only_the_shortest_way() -> None:
    """Every move is replaced, and there is just time enough: even a model that knows nothing is led to the goal."""
    (journey,) = travel(RoteModel([UP] * 9), street(5, stop=None), [Trip(0, 4)], limit=4, detours=1.0)
    assert journey.arrived and journey.trip.moves == (RIGHT,) * 4
    (journey,) = travel(RoteModel([UP] * 4), STREET, [Trip(0, 4)], limit=5, detours=1.0)
    assert journey.arrived and journey.trip.moves == (RIGHT,) * 4 + (STOP,)


def test_detours_take_another_move_than_the_models() -> None:
    (journey,) = travel(RoteModel([RIGHT] * 3), ring(4), [Trip(0, 1)], limit=20, detours=1.0)
    assert journey.trip.moves[:3] == (LEFT, LEFT, LEFT)


def test_detour_robustness_of_a_model_that_learned_its_way_by_heart() -> None:
    """On a ring of four, right, right, stop: the probability to arrive at the opposite place, by hand.

    A detour (3/4) goes left in the first two moves: the goal is reached if both were taken or none, else the trip is
    back at the start. From there the model stops for good, so a detour has to take a first step, and another one a
    second: q = 9/16 * (1/2 + q/2), which is 9/23.
    """
    expected = 10 / 16 + 6 / 16 * 9 / 23
    rate = detour_robustness(RoteModel([RIGHT, RIGHT]), ring(4), [Trip(0, 2)] * 2000, limit=200)
    assert rate == pytest.approx(expected, abs=0.03)  # three standard errors
    assert detour_robustness(RoteModel([RIGHT, RIGHT]), ring(4), [Trip(0, 2)], limit=9, rate=0.0) == 1.0


def test_compression_with_one_edge_that_leads_elsewhere() -> None:
    """The model takes left from 1 for a jump to 3: of four pairs it loses the two with such a history."""
    town = ring(6)
    model = believing(town, (1, LEFT, 3))
    pairs = [
        (Trip(0, 2), Trip(1, 2, (LEFT,))),
        (Trip(0, 2), Trip(2, 2, (LEFT, LEFT))),
        (Trip(0, 2), Trip(5, 2, (RIGHT,))),
        (Trip(4, 3), Trip(3, 3, (RIGHT,))),
    ]
    assert sequence_compression(MapModel(town), town, pairs, limit=9) == 1.0
    assert sequence_compression(model, town, pairs, limit=9) == 0.5


def test_same_state_pairs_share_state_and_goal_and_differ() -> None:
    town = ring(5)
    walks = random_walks(town, [(s, g) for s in range(5) for g in range(5)] * 6, length=3)
    assert all(
        trip.goal
        not in [state_after(town, Trip(trip.start, trip.goal, trip.moves[:k])) for k in range(1, len(trip.moves) + 1)]
        for trip in walks
    )
    pairs = same_state_pairs(town, walks)
    assert len(pairs) > 20
    for a, b in pairs:
        assert a != b and a.goal == b.goal and state_after(town, a) == state_after(town, b)
    used = [trip for pair in pairs for trip in pair]
    assert len(used) == len(set(used))


def test_next_token_test_counts_illegal_moves_and_early_stops() -> None:
    way = Trip(0, 4, (RIGHT,) * 4 + (STOP,))
    assert next_token_test(believing(STREET, SHORTCUT), STREET, [way]) == 4 / 5
    assert next_token_test(RoteModel([LEFT, RIGHT, STOP]), STREET, [way]) == pytest.approx(2 / 5)


def test_illegal_history_is_an_error() -> None:
    with pytest.raises(ValueError, match="illegal in state 0"):
        state_after(STREET, Trip(0, 4, (LEFT,)))
    with pytest.raises(ValueError, match="illegal in state 1"):
        state_after(STREET, Trip(0, 4, (RIGHT, STOP)))


def test_walks_never_lose_the_way() -> None:
    """A one-way branch without return is not entered."""
    town = street(4)
    del town.table[3, LEFT]
    walks = random_walks(town, [(1, 0)] * 20, length=5)
    assert max(state_after(town, trip) for trip in walks) == 2
    assert np.isinf(town.distance(3, 0))
