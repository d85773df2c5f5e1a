"""Street graphs from GraphML files and edge lists."""

from functools import cache
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

import numpy as np

from nextlat_rl.envs.paper.street_graph import StreetGraph
from nextlat_rl.errors import UserError


def load_street_graph(path: str) -> StreetGraph:
    """The graph in `path`: GraphML if it ends in `.graphml`, else an edge list with two names a line (`a b`).

    Undirected edges of GraphML are two-way streets. The streets of a crossing are its headings, in the file's order.
    Node attributes `x` and `y` are the crossings' places, which are otherwise on a circle.

    Raises:
        UserError: no such file, not a graph, or not strongly connected.
    """
    return _load(path, Path(path).resolve())


@cache
def _load(path: str, file: Path) -> StreetGraph:
    """Cached by `file`, since `path` may be another file in another working directory; `path` is for messages."""
    import networkx as nx  # takes 0.2 s

    if not file.is_file():
        raise UserError(f"street graph '{path}' does not exist; give a GraphML file or an edge list")
    try:
        if path.endswith(".graphml"):
            graph: Any = nx.DiGraph(nx.read_graphml(file))
        else:
            graph = nx.read_edgelist(file, create_using=nx.DiGraph, data=False)
    except (nx.NetworkXError, ParseError, UnicodeDecodeError, TypeError, ValueError, KeyError) as error:
        raise UserError(f"street graph '{path}' cannot be read: {error}") from None
    graph.remove_edges_from(list(nx.selfloop_edges(graph)))
    if len(graph) < 2:
        raise UserError(f"street graph '{path}' has {len(graph)} crossings; it needs at least 2, an edge a line: a b")
    if not nx.is_strongly_connected(graph):
        raise UserError(
            f"street graph '{path}' is not strongly connected: some crossing cannot be reached from another; "
            "keep its largest strongly connected part"
        )
    index = {node: i for i, node in enumerate(graph)}
    moves = [{heading: index[to] for heading, to in enumerate(graph[node])} for node in graph]
    return StreetGraph(moves, [str(i) for i in range(max(map(len, moves)))], _places(graph))


def _places(graph: Any) -> np.ndarray:
    """`[n, 2]`."""
    if all("x" in at and "y" in at for _, at in graph.nodes(data=True)):
        return np.array([(float(at["x"]), float(at["y"])) for _, at in graph.nodes(data=True)])
    angles = 2 * np.pi * np.arange(len(graph)) / len(graph)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)
