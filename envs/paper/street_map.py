"""Turn-by-turn travel on a street graph whose positions are not observed (arXiv 2511.05963, Manhattan)."""

from __future__ import annotations

import zlib
from itertools import permutations
from typing import TYPE_CHECKING

import numpy as np

from nextlat_rl.envs.paper.city import make_city
from nextlat_rl.envs.paper.graph_file import load_street_graph
from nextlat_rl.envs.paper.street_graph import StreetGraph
from nextlat_rl.envs.paper.token_task import TokenTask
from nextlat_rl.errors import UserError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HELD_OUT_ONE_IN = 10
_TRIES = 10_000


class StreetMapEnv(TokenTask):
    """The prompt is origin and destination, the answer a legal move (heading) for each street and the word `end`.

    Any route of at most `longest` legal moves that ends with `end` at the destination counts. The map is the city
    number `city` of `rows` streets and `columns` avenues, or the graph in the file `graph`; it does not depend on the
    episode's seed. A tenth of the pairs of origin and destination is held out: with `held_out` only those occur, else
    never. Which ones does not depend on the map.
    """

    def __init__(
        self,
        rows: int = 5,
        columns: int = 5,
        city: int = 0,
        graph: str | None = None,
        longest: int = 100,
        held_out: bool = False,
        problems: int = 1,
        render_mode: str | None = None,
    ) -> None:
        self.graph: StreetGraph = make_city(rows, columns, city) if graph is None else load_street_graph(graph)
        nodes, self.end = len(self.graph), len(self.graph.headings)
        super().__init__(tokens=nodes, words=self.end + 1, problems=problems, render_mode=render_mode)
        if longest < 1:
            raise UserError(f"a route has at least 1 move, got longest={longest}")
        self.longest, self.held_out = longest, held_out
        if not any(self.allowed(*pair) for pair in permutations(range(nodes), 2)):
            raise UserError(
                f"a street map of {nodes} crossings has no pair {'held out' if held_out else 'to train on'}; "
                "take a larger one"
            )

    def allowed(self, origin: int, destination: int) -> bool:
        """Whether this environment may ask for this pair."""
        return origin != destination and is_held_out(origin, destination) == self.held_out

    def draw(self) -> list[int]:
        """A uniform pair among the allowed ones that are at most `longest` apart."""
        for _ in range(_TRIES):
            origin, destination = self.np_random.integers(len(self.graph), size=2).tolist()
            if self.allowed(origin, destination):
                self._head_for(destination)
                if self._distances[origin] <= self.longest:
                    return [origin, destination]
        raise UserError(f"no two crossings to travel between are at most longest={self.longest} moves apart; raise it")

    def redirect(self, destination: int) -> None:
        """Change the destination of the problem that has just begun, before it is read."""
        assert self.read == 1 and self.allowed(self.prompt[0], destination)
        self._head_for(destination)
        self.prompt[1] = destination

    def next_word(self, written: list[int]) -> int | None:
        """The first heading of a shortest path from where the words `written` lead; `end` at the destination."""
        if written and written[-1] == self.end:
            return None
        node = self.trace(written)[-1]
        if self._distances[node] == 0:
            return self.end
        return min(self.graph.legal_moves(node), key=lambda move: self._distances[self.graph.moves[node][move]])

    def accepts(self, word: int) -> bool:
        """A legal move, as long as there are not too many, or `end` at the destination."""
        node = self.trace(self.written)[-1]
        if word == self.end:
            return node == self.prompt[1]
        return word in self.graph.moves[node] and len(self.written) < self.longest

    def finished(self) -> bool:
        """Whether `end` was written."""
        return bool(self.written) and self.written[-1] == self.end

    def trace(self, words: list[int]) -> list[int]:
        """Crossings on the route of these legal moves, the origin first."""
        route = [self.prompt[0]]
        for word in words:
            if word != self.end:
                route.append(self.graph.moves[route[-1]][word])
        return route

    def word_name(self, word: int) -> str:
        """The heading's name, or `end`."""
        return (*self.graph.headings, "end")[word]

    def picture(self, axes: Axes) -> None:
        """The map, the route in red, the origin as a circle and the destination as a star."""
        places = self.graph.places
        origins, _, ends = np.array(self.graph.edges).T
        arrows = places[ends] - places[origins]
        axes.quiver(*places[origins].T, *arrows.T, angles="xy", scale_units="xy", scale=1, color="0.7", width=0.004)
        route = self.trace(self.written)
        axes.plot(*places[route].T, color="tab:red", linewidth=3)
        axes.plot(*places[route[0]], "o", color="tab:red", markersize=10)
        if self.read == len(self.prompt):
            axes.plot(*places[self.prompt[1]], "*", color="tab:blue", markersize=16)
        axes.set_aspect("equal")

    def _head_for(self, destination: int) -> None:
        self._distances: np.ndarray = self.graph.distances_to(destination)


def is_held_out(origin: int, destination: int) -> bool:
    """Whether a pair is kept for evaluation, about one in ten."""
    return zlib.crc32(f"{origin} {destination}".encode()) % HELD_OUT_ONE_IN == 0
