"""A random city: a grid of one-way and two-way streets, some of them closed."""

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
    """City number `city` of `rows` streets and `columns` avenues.

    A fifth of them are two-way, the others one-way in alternating directions; a twentieth of the stretches is closed.
    Only the largest strongly connected part is kept, a few crossings less than `rows * columns`.

    Raises:
        UserError: too small, or less than half of the crossings are connected.
    """
    if rows < 2 or columns < 2:
        raise UserError(f"a city needs at least 2 streets and 2 avenues, got rows={rows}, columns={columns}")
    import networkx as nx  # takes 0.2 s

    streets = nx.DiGraph(_open_stretches(rows, columns, np.random.default_rng([city, 0x63697479])))
    parts = [sorted(part) for part in nx.strongly_connected_components(streets)]
    nodes = max(parts, key=lambda part: (len(part), part))
    if 2 * len(nodes) < rows * columns:
        raise UserError(
            f"city={city} of {rows} x {columns} streets has only {len(nodes)} connected crossings; "
            "take another city number or a larger city"
        )
    index = {node: i for i, node in enumerate(nodes)}
    moves = [{_STEPS.index((x - a, y - b)): index[x, y] for x, y in streets[a, b] if (x, y) in index} for a, b in nodes]
    return StreetGraph(moves, HEADINGS, np.array(nodes, dtype=float))


Crossing = tuple[int, int]


def _open_stretches(rows: int, columns: int, rng: np.random.Generator) -> list[tuple[Crossing, Crossing]]:
    """Directed stretches between neighbouring crossings (column, row)."""
    lines = [(y, [(x, y) for x in range(columns)]) for y in range(rows)]
    # Avenues start with the other direction, so that the outermost four roads form a ring.
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
