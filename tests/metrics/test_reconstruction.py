"""The map in the model's head."""

from __future__ import annotations

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.colors import to_hex

from nextlat_rl.metrics.reconstruction import free_trips, reconstruct
from nextlat_rl.metrics.state_space import Trip
from nextlat_rl.plotting.street_map import WRONG, map_figure
from tests.helpers.hand_made import LEFT, RIGHT, STOP, UP, MapModel, RoteModel, all_trips, believing, street

STREET = street(6)
EDGES = {(source, move, target) for (source, move), target in STREET.table.items()}


def nearby(state: int) -> list[int]:
    return sorted(range(6), key=lambda other: abs(other - state))


def test_perfect_map_is_the_true_one() -> None:
    found = reconstruct(STREET, free_trips(MapModel(STREET), all_trips(6), STOP, limit=9), nearby)
    assert found.true == EDGES and not found.wrong and found.unexplained == 0


def test_wrong_edges_are_found() -> None:
    """Shortcuts in both directions; the trips over them go on on the other side, which gives away where that is."""
    shortcuts = {(1, UP, 4), (5, UP, 2)}
    model = believing(STREET, *shortcuts)
    trips = free_trips(model, all_trips(6), STOP, limit=9)
    found = reconstruct(STREET, trips, nearby)
    assert found.wrong == shortcuts and found.unexplained == 0
    assert found.true <= EDGES and (4, RIGHT, 5) in found.true


def test_a_trip_that_no_edge_explains() -> None:
    found = reconstruct(STREET, free_trips(RoteModel([RIGHT, LEFT]), [Trip(0, 5)], STOP, limit=9), nearby)
    assert found.true == {(0, RIGHT, 1), (1, LEFT, 0)} and not found.wrong and found.unexplained == 1


def test_drawn_trips_follow_the_models_distribution() -> None:
    trips = free_trips(RoteModel([]), [Trip(0, 5)] * 2000, STOP, limit=1, rng=np.random.default_rng(0))
    stopped = np.mean([trip.moves == (STOP,) for trip in trips])
    assert abs(stopped - 0.97) < 0.012  # three standard errors


def test_figure_draws_wrong_edges_in_red() -> None:
    found = reconstruct(STREET, free_trips(believing(STREET, (1, UP, 4)), [Trip(0, 4)], STOP, limit=9), nearby)
    figure = map_figure({i: (float(i), 0.0) for i in range(6)}, EDGES, found)
    layers = [c for c in figure.axes[0].collections if isinstance(c, LineCollection)]
    assert [len(layer.get_segments()) for layer in layers] == [9, 1, 1]
    assert to_hex(layers[2].get_color()[0]) == WRONG
    assert layers[2].get_segments()[0].tolist() == [[1.0, 0.0], [4.0, 0.0]]
