"""A street map as the metrics see it: who knows the map scores 1.0, and trips are read as episodes are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from nextlat_rl.envs.episodes import collect_episodes
from nextlat_rl.envs.paper import StreetMapEnv
from nextlat_rl.envs.paper.street_map import is_held_out
from nextlat_rl.envs.paper.street_space import StreetSpace
from nextlat_rl.metrics.compression import random_walks, same_state_pairs, sequence_compression
from nextlat_rl.metrics.reconstruction import free_trips, reconstruct
from nextlat_rl.metrics.state_space import Trip, state_after
from nextlat_rl.metrics.trips import detour_robustness, next_token_test, travel, valid_trajectories

ENV = StreetMapEnv(rows=5, columns=5, longest=20)
SPACE = StreetSpace(ENV)


class Local:
    """Takes the first heading of a shortest path, but in one crossing always goes north, street or not."""

    def __init__(self, lost: int | None = None) -> None:
        self.lost = lost

    def log_probs(self, trips: Sequence[Trip]) -> np.ndarray:
        return np.log(np.where(np.arange(len(SPACE.moves)) == np.array([[self._next(t)] for t in trips]), 0.9, 0.01))

    def _next(self, trip: Trip) -> int:
        state = trip.start
        for move in trip.moves:
            state = SPACE.step(state, move) if move in SPACE.legal(state) else state
        if state == trip.goal:
            return ENV.end
        if state == self.lost:
            return 0
        return min(SPACE.legal(state), key=lambda move: SPACE.distance(SPACE.step(state, move), trip.goal))


def test_who_knows_the_map_scores_one() -> None:
    trips = [Trip(*pair) for pair in SPACE.pairs(held_out=True)]
    walks = random_walks(SPACE, SPACE.pairs(held_out=False), length=3)
    model, limit = Local(), ENV.longest + 1
    complete = [journey.trip for journey in travel(model, SPACE, trips, limit)]
    assert valid_trajectories(model, SPACE, trips, limit) == 1.0
    assert detour_robustness(model, SPACE, trips, limit) == 1.0
    assert sequence_compression(model, SPACE, same_state_pairs(SPACE, walks), limit) == 1.0
    assert next_token_test(model, SPACE, complete) == 1.0
    found = reconstruct(SPACE, free_trips(model, trips, ENV.end, limit), SPACE.nearby)
    assert found.true <= set(SPACE.graph.edges) and not found.wrong and found.unexplained == 0


def test_who_is_lost_at_one_crossing_fails_where_the_ways_pass_it() -> None:
    lost = next(node for node in range(len(SPACE.graph)) if 0 not in SPACE.legal(node))
    trips = [Trip(*pair) for pair in SPACE.pairs(held_out=False)]
    shortest = travel(Local(), SPACE, trips, ENV.longest + 1)
    passing = sum(
        lost in [state_after(SPACE, Trip(t.start, t.goal, t.moves[:k])) for k in range(len(t.moves) - 1)]
        for t in (journey.trip for journey in shortest)
    )
    assert 0 < passing < len(trips)
    found = valid_trajectories(Local(lost), SPACE, trips, ENV.longest + 1)
    assert found == pytest.approx(1 - passing / len(trips))
    drawn = reconstruct(SPACE, free_trips(Local(lost), trips, ENV.end, ENV.longest + 1), SPACE.nearby)
    assert {(state, move) for state, move, _ in drawn.wrong} >= {(lost, 0)}


def test_a_trip_is_read_as_its_episode() -> None:
    for episode in collect_episodes("NextLat/StreetMap-5x5", "random_walk", episodes=20):
        origin, goal = episode.observations[:2]
        observations, actions = SPACE.read(Trip(origin, goal, tuple(episode.actions[1:])))
        assert (observations, actions) == (episode.observations, episode.actions)
        assert state_after(SPACE, Trip(origin, goal, tuple(episode.actions[1:]))) == goal


def test_distances_and_neighbours() -> None:
    nodes = range(len(SPACE.graph))
    assert all(SPACE.distance(a, b) == SPACE.graph.distances_to(b)[a] for a in nodes for b in nodes)
    assert sorted(SPACE.nearby(3)) == [node for node in nodes if node != 3]
    away = np.linalg.norm(SPACE.graph.places[SPACE.nearby(3)] - SPACE.graph.places[3], axis=1)
    assert (np.diff(away) >= 0).all()


def test_pairs_are_held_out_or_not() -> None:
    kept, others = SPACE.pairs(held_out=True), SPACE.pairs(held_out=False)
    assert all(is_held_out(*pair) for pair in kept) and not set(kept) & set(others)
    assert len(kept) + len(others) == len(SPACE.graph) * (len(SPACE.graph) - 1)
