"""The suite of the paper's experiments: its data, its settings, its table, and a smoke test of its parts."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from benchmarks import __main__ as command
from benchmarks.options import Options
from benchmarks.rows import Row
from benchmarks.suite import chosen_parts
from benchmarks.suites.paper import SUITE
from benchmarks.suites.paper.cost import _trainer, cost_rows
from benchmarks.suites.paper.figures import draw, solved_figure
from benchmarks.suites.paper.fit import train_settings
from benchmarks.suites.paper.published import published
from benchmarks.suites.paper.tables import MODELS, paper_table, tables
from benchmarks.suites.paper.tasks import TASKS_BY_SIZE
from nextlat_rl.data.store import store_of_episodes
from nextlat_rl.envs import make_env
from nextlat_rl.envs.episodes import collect_episodes
from nextlat_rl.errors import UserError
from nextlat_rl.objectives.config import OBJECTIVES
from nextlat_rl.results import typed_command
from nextlat_rl.runtime import pick_device
from tests.helpers.rows import made_row

TASKS = [(size, name) for size, tasks in TASKS_BY_SIZE.items() for name in tasks]


@pytest.mark.parametrize(("size", "name"), TASKS)
def test_settings_and_environments_are_valid(size: str, name: str) -> None:
    task = TASKS_BY_SIZE[size][name]
    for objective in task.objectives:
        train_settings(f"env.id={task.env}", f"objective.name={objective}", *task.options, *task.own.get(objective, ()))
    for env in (task.env, *task.scored.values()):
        assert make_env(env).spec is not None
    assert {*MODELS} <= {*OBJECTIVES.names()}
    for measure in (*task.scored, "valid trajectories"):
        figure = published(name, size, "nextlat", measure)
        assert not figure or float(figure) > 0  # one figure a cell


def measured(part: str, agent: str, measure: str, value: float, seed: int, **extra: Any) -> Row:
    return made_row(part, agent, seed, "paper", measure=measure, value=value, size="cpu", extra=extra)


def test_the_table_puts_the_papers_figure_beside_ours_and_counts_solved_seeds() -> None:
    rows = [measured("PathStar", "gpt", "solved", value, seed) for seed, value in ((1, 0.5), (0, 1.0))]
    (shown,) = tables(rows)
    assert shown.lines == [["PathStar", "solved", "gpt", "0.49", "0.75", "-2.43", "3.93", "2", "0.5"]]


def test_nextlat_is_compared_with_its_rivals_seed_by_seed() -> None:
    values = {"nextlat": {2: 0.9, 1: 0.75, 0: 1.0}, "gpt": {0: 1.0, 1: 0.5}, "mtp": {2: 0.4, 1: 0.75}}
    rows = [
        measured("StreetMap", agent, "compression", value, seed)
        for agent, by_seed in values.items()
        for seed, value in by_seed.items()
    ]
    lines = paper_table(rows, ["StreetMap"]).lines
    agents = ["gpt", "mtp", "nextlat", "nextlat - gpt, by seed", "nextlat - mtp, by seed"]
    assert [line[2] for line in lines] == agents
    assert [line[3] for line in lines] == ["0.65", "0.64", "0.71", "", ""]
    assert lines[3][4:] == ["0.125", "-1.46", "1.71", "2", ""]
    assert lines[4][4:] == ["0.25", "-2.93", "3.43", "2", ""]


def test_the_table_says_what_training_took() -> None:
    """Minutes once for each objective, whatever it is scored by; steps where training can end early."""
    rows = [
        measured(part, agent, measure, 1.0, seed, train_steps=2000 + 400 * seed, train_seconds=90.0)
        for part in ("PathStar", "StreetMap")
        for agent in ("nextlat", "nextlat, recurrent")
        for measure in ("one", "another")
        for seed in range(2)
    ]
    star, street = (shown.lines for shown in tables(rows))
    minutes = ["minutes trained", "nextlat", "", "1.5", "1.5", "1.5", "2", ""]
    assert street[4:] == [["StreetMap", *minutes]]
    steps = ["PathStar", "steps trained", "nextlat", "", "2,200", "-341", "4,741", "2", ""]
    assert star[4:] == [steps, ["PathStar", *minutes]]
    assert paper_table(rows, ["StreetMap"], "full").lines == []


def test_the_figure_shows_when_seeds_solved_a_task(tmp_path: Path) -> None:
    """Of three seeds one is solved after 500 steps and one after 1,000; the third trains to the end and guesses."""
    values = {0: (1000, 1.0), 1: (500, 0.99), 2: (2000, 0.4)}
    rows = [
        measured("PathStar", agent, "solved", value, seed, train_steps=steps)
        for agent in ("nextlat", "nextlat, recurrent")
        for seed, (steps, value) in values.items()
    ]
    assert draw(rows, tmp_path) == [tmp_path / "paper-solved.png"]
    assert (tmp_path / "paper-solved.png").stat().st_size > 1000
    (panel,) = solved_figure({"PathStar": {"nextlat": [(1000, True), (500, True), (2000, False)]}}).axes
    (line,) = panel.lines
    assert line.get_label() == "nextlat: 2 of 3 seeds"
    assert list(line.get_xdata()) == [0, 500, 1000, 2000]
    assert list(line.get_ydata()) == pytest.approx([0, 1 / 3, 2 / 3, 2 / 3])
    assert draw([measured("StreetMap", "nextlat", "compression", 1.0, 0)], tmp_path) == []


def test_the_size_is_one_of_three_and_of_this_suite_alone() -> None:
    with pytest.raises(UserError, match=r"size=tpu.*cpu, gpu, full"):
        command.measure(Options(suite="paper", size="tpu"))
    with pytest.raises(UserError, match=r"size=gpu is unknown to suite=train"):
        command.measure(Options(suite="train", size="gpu"))


def test_what_takes_too_long_for_a_pass_is_measured_when_it_is_named() -> None:
    whole = chosen_parts(SUITE, Options(suite="paper"))
    assert {"PathStar", "StreetMap", "step-cost"} <= {*whole}
    assert not {"PathStar-3x4", "PathStar-2x5", "Countdown", "step-cost-12x384"} & {*whole}
    assert chosen_parts(SUITE, Options(suite="paper", only="PathStar-2x5")) == ["PathStar-2x5"]
    assert "Countdown" in chosen_parts(SUITE, Options(suite="paper", size="full"))


def test_a_step_of_every_objective_is_timed_with_the_model_that_is_named() -> None:
    tiny = ("model.layers=2", "model.heads=2", "model.width=16", "model.dynamics_width=16", "trainer.batch_size=4")
    rows = cost_rows(tiny, quick=True, console=Console(file=io.StringIO()))
    ahead = {f"{name}, d = {d}" for name in ("nextlat", "mtp", "jtp") for d in (1, 2, 8)}
    assert {row["agent"] for row in rows} == ahead | {"bst"} and len(rows) == 10
    assert all(0 < row["value"] < np.inf for row in rows)
    episodes = list(collect_episodes("NextLat/StreetMap-10x10", "random_walk", episodes=5))
    env = make_env("NextLat/StreetMap-10x10")
    trainer = _trainer(store_of_episodes(env.observation_space, env.action_space, episodes), "gpt", 1, tiny)
    assert (trainer.model.trunk.width, len(trainer.model.trunk.blocks)) == (16, 2)


def run(parts: list[str], size: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A smoke test: a finite value for every part and agent, and the map drawn."""
    command.measure(Options(suite="paper", size=size, only="+".join(parts), quick=True, runs=str(tmp_path), json=True))
    rows = json.loads(capsys.readouterr().out)
    assert json.loads((tmp_path / "benchmarks" / "paper.json").read_text()) == rows
    if pick_device("auto").type == "cpu":
        assert {row["cores"] for row in rows} == {1}  # a core each, however many there are
    assert {row["part"] for row in rows} == set(parts)
    for row in rows:
        assert row["size"] == size and row["seed"] == 0 and np.isfinite(row["value"])
        assert row["command"] == typed_command()  # also of those that other processes measured
    for part in parts:
        agents = {row["agent"] for row in rows if row["part"] == part}
        assert agents == {*TASKS_BY_SIZE[size][part].objectives, "nextlat, recurrent"}
    maps = {file.name for file in (tmp_path / "benchmarks").glob("*.png")}
    assert maps == ({"paper-map-gpt-0.png", "paper-map-nextlat-0.png"} if "StreetMap" in parts else set())


def test_the_word_problem_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(["WordProblem"], "cpu", tmp_path, capsys)


@pytest.mark.slow
@pytest.mark.parametrize("size", ["cpu", "gpu"])
def test_every_part_runs(size: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run([*TASKS_BY_SIZE[size]], size, tmp_path, capsys)
