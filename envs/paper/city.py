"""A city made up: a grid of one-way and two-way streets, some of them closed."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import numpy as np

from nextlat_rl.envs.paper.street_graph import StreetGraph
from nextlat_rl.errors import UserError

HEADINGS = ("N", "E", "S", "W")
_STEPS = ((0, 1), (1, 0), (0, -1), (-1, 0))
_TWO_WAY = 0.2  # share of the streets
_CLOSED = 0.05  # share of the stretches between two crossings


@cache
def make_city(rows: int, columns: int, city: int = 0) -> StreetGraph:
    """The city number `city` of `rows` streets and `columns` avenues.

    A fifth of them are two-way, the others one-way in turns, and a twentieth of the stretches is closed. Crossings that
    cannot be reached from all others are left out, so there are a few less than `rows * columns`.

    Raises:
        UserError: too small, or so little hangs together that it is no city.
    """
    if rows < 2 or columns < 2:
        raise UserError(f"a city needs at least 2 streets and 2 avenues, got rows={rows}, columns={columns}")
    import networkx as nx  # takes 0.2 s

    streets = nx.DiGraph(_open_stretches(rows, columns, np.random.default_rng([city, 0x63697479])))
    parts = [sorted(part) for part in nx.strongly_connected_components(streets)]
    nodes = max(parts, key=lambda part: (len(part), part))
    if 2 * len(nodes) < rows * columns:
        raise UserError(
            f"city={city} of {rows} x {columns} streets hangs together in only {len(nodes)} crossings; "
            "take another city number or a larger city"
        )
    index = {node: i for i, node in enumerate(nodes)}
    moves = [{_STEPS.index((x - a, y - b)): index[x, y] for x, y in streets[a, b] if (x, y) in index} for a, b in nodes]
    return StreetGraph(moves, HEADINGS, np.array(nodes, dtype=float))


Crossing = tuple[int, int]


def _open_stretches(rows: int, columns: int, rng: np.random.Generator) -> list[tuple[Crossing, Crossing]]:
    """Directed stretches between neighbouring crossings (column, row)."""
    lines = [(y, [(x, y) for x in range(columns)]) for y in range(rows)]
    # Avenues turn the other way round: the outermost four then make a ring, where all four leaving a corner would not.
    lines += [(x + 1, [(x, y) for y in range(rows)]) for x in range(columns)]
    stretches = []
    for number, line in lines:
        two_way = rng.random() < _TWO_WAY
        for stretch in pairwise(line):
            if rng.random() < _CLOSED:
                continue
            if two_way or number % 2 == 0:
                stretches.append(stretch)
            if two_way or number % 2 == 1:
                stretches.append(stretch[::-1])
    return stretches
