"""Street maps: cities hang together, travellers obey the streets, held-out pairs stay out of training."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from nextlat_rl.envs import make_env
from nextlat_rl.envs.behaviours.noisy_shortest import NoisyShortestPath
from nextlat_rl.envs.episodes import collect_episodes
from nextlat_rl.envs.paper import StreetMapEnv
from nextlat_rl.envs.paper.city import make_city
from nextlat_rl.envs.paper.street_graph import UNREACHABLE, StreetGraph
from nextlat_rl.envs.paper.street_map import is_held_out
from nextlat_rl.errors import UserError

TRAVELLERS = ["shortest", "noisy_shortest", "random_walk"]


def street_map(env_id: str) -> StreetMapEnv:
    env = make_env(env_id).unwrapped
    assert isinstance(env, StreetMapEnv)
    return env


def as_networkx(graph: StreetGraph) -> Any:
    return nx.DiGraph([(node, to) for node, _, to in graph.edges])


@pytest.mark.parametrize("size", [(2, 2), (5, 5), (4, 9), (10, 10), (68, 68)])
def test_a_city_is_strongly_connected_and_goes_where_its_headings_say(size: tuple[int, int]) -> None:
    city = make_city(*size, 0)
    assert nx.is_strongly_connected(as_networkx(city))
    assert len(city) >= size[0] * size[1] / 2
    steps = {"N": (0, 1), "E": (1, 0), "S": (0, -1), "W": (-1, 0)}
    for node, heading, to in city.edges:
        assert tuple(city.places[to] - city.places[node]) == steps[city.headings[heading]]


def test_the_large_city_has_manhattans_size_and_one_way_streets() -> None:
    city = street_map("NextLat/StreetMap-Manhattan").graph
    assert abs(len(city) / 4580 - 1) < 0.05 and abs(len(city.edges) / 9846 - 1) < 0.05
    there = {(node, to) for node, _, to in city.edges}
    assert len([edge for edge in there if edge[::-1] not in there]) > len(there) / 2


def test_the_city_depends_on_its_number_alone() -> None:
    edges = make_city.__wrapped__(6, 6, 3).edges
    assert make_city.__wrapped__(6, 6, 3).edges == edges != make_city(6, 6, 4).edges


def test_distances_are_those_of_a_reference() -> None:
    chain = StreetGraph([{0: 1}, {0: 2}, {}], ("0",), np.zeros((3, 2)))
    assert chain.distances_to(2).tolist() == [2, 1, 0]
    assert chain.distances_to(0).tolist() == [0, UNREACHABLE, UNREACHABLE]
    assert (chain.legal_moves(0), chain.legal_moves(2)) == ((0,), ())
    city = make_city(7, 7, 1)
    reference = dict(nx.all_pairs_shortest_path_length(as_networkx(city)))
    for goal in range(len(city)):
        assert city.distances_to(goal).tolist() == [reference[node][goal] for node in range(len(city))]


def test_cheapest_path_is_that_of_a_reference() -> None:
    city, rng = make_city(6, 6, 0), np.random.default_rng(0)
    costs = rng.uniform(0.5, 1.5, size=(len(city), 4))
    weighted = nx.DiGraph()
    weighted.add_weighted_edges_from((node, to, costs[node, heading]) for node, heading, to in city.edges)
    for origin, goal in rng.integers(len(city), size=(40, 2)).tolist():
        node, total = origin, 0.0
        for heading in city.cheapest_path(origin, goal, costs):
            total += costs[node, heading]
            node = city.moves[node][heading]
        assert node == goal
        assert total == pytest.approx(nx.dijkstra_path_length(weighted, origin, goal))


@pytest.mark.parametrize("behaviour", TRAVELLERS)
@pytest.mark.parametrize(("suffix", "held_out"), [("", False), ("-HeldOut", True)])
def test_travellers_obey_the_streets_and_keep_to_their_pairs(behaviour: str, suffix: str, held_out: bool) -> None:
    env_id = f"NextLat/StreetMap-10x10{suffix}"
    env = street_map(env_id)
    lengths = []
    for episode in collect_episodes(env_id, behaviour, episodes=60):
        origin, destination = episode.observations[:2]
        assert is_held_out(origin, destination) == held_out and origin != destination
        node, (*moves, last) = origin, episode.actions[1:]
        for move in moves:
            node = env.graph.moves[node][move]
        assert (node, last, episode.rewards[-1]) == (destination, env.end, 1.0)
        lengths.append(len(moves) - env.graph.distances_to(destination)[origin])
    assert min(lengths) >= 0 and max(lengths) <= env.longest
    assert (max(lengths) == 0) == (behaviour == "shortest")


def test_about_a_tenth_of_the_pairs_is_held_out() -> None:
    kept = [is_held_out(a, b) for a in range(100) for b in range(100)]
    assert 0.08 < np.mean(kept) < 0.12


def test_a_traveller_pushed_aside_still_arrives() -> None:
    env = street_map("NextLat/StreetMap-5x5")
    for seed in range(20):
        env.reset(seed=seed)
        env.step(env.wait)
        pushed = env.graph.legal_moves(env.prompt[0])[-1]
        over = env.step(pushed)[2]
        reward = 0.0
        while not over:
            _, reward, over, _, _ = env.step(env.best_action())
        assert reward == 1.0


def test_illegal_moves_and_a_wrong_end_are_not_rewarded() -> None:
    env = street_map("NextLat/StreetMap-5x5")
    for word in range(env.end + 1):
        env.reset(seed=0)
        env.step(env.wait)
        legal = word in env.graph.legal_moves(env.prompt[0])
        assert env.step(word)[1:3] == (0.0, not legal)


def test_a_way_that_is_too_long_is_not_accepted() -> None:
    env = StreetMapEnv(longest=1)
    env.reset(seed=0)
    env.step(env.wait)
    node = env.graph.moves[env.prompt[0]][env.best_action()]
    assert env.step(env.best_action())[2] is False
    assert node == env.prompt[1]
    assert env.step(env.graph.legal_moves(node)[0])[1:3] == (0.0, True)


def test_travellers_need_a_map() -> None:
    with pytest.raises(UserError, match=r"random_walk.*NextLat/StreetMap"):
        next(collect_episodes("NextLat/PathStar-2x5", "random_walk", episodes=1))


def ring(size: int) -> list[tuple[int, int]]:
    return [*pairwise(range(size)), (size - 1, 0)]


def test_a_graph_of_ones_own_is_named_after_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("harbour.edges").write_text("# from to\n" + "".join(f"n{a} n{b}\n" for a, b in ring(8)) + "n2 n0\n")
    graph = nx.DiGraph(ring(8))
    for node in graph:
        graph.nodes[node].update(x=float(node), y=1.0)
    nx.write_graphml(graph, "quay.graphml")
    env = street_map("NextLat/StreetMap-harbour")
    check_env(env, skip_render_check=True)
    assert env.graph.legal_moves(2) == (0, 1) and len(env.graph) == 8
    assert street_map("NextLat/StreetMap-quay-HeldOut").graph.places[3].tolist() == [3.0, 1.0]
    assert next(collect_episodes("NextLat/StreetMap-harbour-v0", "expert", episodes=1)).rewards[-1] == 1.0


def test_the_same_name_in_another_folder_is_another_graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for size in (12, 20):
        folder = tmp_path / str(size)
        folder.mkdir()
        monkeypatch.chdir(folder)
        Path("twin.edges").write_text("".join(f"n{a} n{b}\n" for a, b in ring(size)))
        assert len(street_map("NextLat/StreetMap-twin").graph) == size
        assert len(StreetMapEnv(graph="twin.edges").graph) == size


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("apart.edges", "a b\nb a\nc d\nd c\n", "not strongly connected"),
        ("oneway.edges", "a b\nb c\n", "not strongly connected"),
        ("empty.edges", "", "0 crossings"),
        ("alone.edges", "a a\n", "1 crossings"),
        ("torn.graphml", "<graphml><node", "cannot be read"),
        ("pair.edges", "a b\nb a\n", "no pair held out"),
    ],
)
def test_a_graph_that_is_none_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: str, words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_text(content)
    with pytest.raises(UserError, match=words) as refused:
        StreetMapEnv(graph=name, held_out=True)
    assert "\n" not in str(refused.value)


def test_what_is_not_there_is_named() -> None:
    with pytest.raises(UserError, match=r"no atlantis\.graphml or atlantis\.edges"):
        make_env("NextLat/StreetMap-atlantis")
    with pytest.raises(UserError, match=r"'atlantis\.edges' does not exist"):
        StreetMapEnv(graph="atlantis.edges")
    with pytest.raises(UserError, match="rows=1"):
        StreetMapEnv(rows=1)
    with pytest.raises(UserError, match="longest=0"):
        StreetMapEnv(longest=0)


def test_a_noisy_way_that_is_too_long_gives_way_to_a_shortest_one(monkeypatch: pytest.MonkeyPatch) -> None:
    env = StreetMapEnv(rows=10, columns=10, longest=20)
    env.reset(seed=0)
    monkeypatch.setattr(env.graph, "cheapest_path", lambda *_: [0] * 21)
    assert NoisyShortestPath().plan(env, np.random.default_rng(0)) == []
    monkeypatch.setattr(env.graph, "cheapest_path", lambda *_: [0] * 20)
    assert NoisyShortestPath().plan(env, np.random.default_rng(0)) == [0] * 20


def test_the_map_shows_the_way_taken() -> None:
    env = StreetMapEnv(render_mode="rgb_array")
    env.reset(seed=0)
    env.step(env.wait)
    before = env.render()
    env.step(env.best_action())
    after = env.render()
    assert isinstance(before, np.ndarray) and isinstance(after, np.ndarray)
    assert before.dtype == np.uint8 and before.shape == after.shape and before.shape[2] == 3
    assert (before != after).any()
