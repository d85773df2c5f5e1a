"""The suite of the paper's experiments: its data, its settings, its table, and a smoke test of its parts."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from benchmarks.config import BenchmarkConfig
from benchmarks.paper_cost import _trainer, cost_rows
from benchmarks.paper_fit import train_settings
from benchmarks.paper_sizes import PAPER, TASKS_BY_SIZE
from benchmarks.report_paper import paper_tables, solved_by_step
from benchmarks.run import _chosen_parts, benchmark, kept_rows
from benchmarks.solved_figure import solved_figure
from nextlat_rl.data.store import store_of_episodes
from nextlat_rl.envs import make_env
from nextlat_rl.envs.episodes import collect_episodes
from nextlat_rl.errors import UserError
from nextlat_rl.objectives.config import OBJECTIVES
from nextlat_rl.runtime import pick_device

TASKS = [(size, name) for size, tasks in TASKS_BY_SIZE.items() for name in tasks]


@pytest.mark.parametrize(("size", "name"), TASKS)
def test_settings_and_environments_are_valid(size: str, name: str) -> None:
    task = TASKS_BY_SIZE[size][name]
    for objective in task.objectives:
        train_settings(f"env.id={task.env}", f"objective.name={objective}", *task.options, *task.own.get(objective, ()))
    for env in (task.env, *task.scored.values()):
        assert make_env(env).spec is not None
    assert {agent.split(",")[0] for agent in PAPER[name]} <= {*OBJECTIVES.names()}


def test_the_table_puts_the_papers_figure_beside_ours_and_counts_solved_seeds() -> None:
    rows = [
        {"part": "PathStar", "agent": "gpt", "measure": "solved", "value": value, "paper": "0.19", "seed": seed}
        for seed, value in ((1, 0.5), (0, 1.0))
    ]
    (shown,) = paper_tables(rows)
    cells = [next(iter(column.cells)) for column in shown.columns]
    assert cells == ["solved", "gpt", "0.19", "0.75", "[-2.43, 3.93]", "0.5", "1 / 0.5"]


def test_nextlat_is_compared_with_its_rivals_seed_by_seed() -> None:
    values = {"nextlat": {2: 0.9, 1: 0.75, 0: 1.0}, "gpt": {0: 1.0, 1: 0.5}, "mtp": {2: 0.4, 1: 0.75}}
    rows = [
        {"part": "StreetMap", "agent": agent, "measure": "compression", "value": value, "paper": "", "seed": seed}
        for agent, by_seed in values.items()
        for seed, value in by_seed.items()
    ]
    (shown,) = paper_tables(rows)
    lines = list(zip(*(column.cells for column in shown.columns), strict=True))
    agents = ["gpt", "mtp", "nextlat", "nextlat - gpt, by seed", "nextlat - mtp, by seed"]
    assert [line[1] for line in lines] == agents
    assert lines[3][3:] == ("0.125", "[-1.46, 1.71]", "", "0 / 0.25")
    assert lines[4][3:] == ("0.25", "[-2.93, 3.43]", "", "0 / 0.5")


def test_the_table_says_what_training_took() -> None:
    """Minutes once for each objective, whatever it is scored by; steps where training can end early."""
    rows = [
        {"part": part, "agent": agent, "measure": measure, "value": 1.0, "paper": "", "seed": seed}
        | {"train_steps": 2000 + 500 * seed, "train_seconds": 90.0}
        for part in ("PathStar", "StreetMap")
        for agent in ("nextlat", "nextlat, recurrent")
        for measure in ("one", "another")
        for seed in range(2)
    ]
    street, star = (list(zip(*(column.cells for column in shown.columns), strict=True)) for shown in paper_tables(rows))
    minutes = ("minutes trained", "nextlat", "", "1.5", "[1.5, 1.5]", "", "1.5 / 1.5")
    assert street[4:] == [minutes]
    assert star[4:] == [("steps trained", "nextlat", "", "2,250", "[-926, 5,426]", "", "2,000 / 2,500"), minutes]


def test_the_figure_shows_when_seeds_solved_a_task(tmp_path: Path) -> None:
    """Of three seeds one is solved after 500 steps and one after 1,000; the third trains to the end and guesses."""
    values = {0: (1000, 1.0), 1: (500, 0.99), 2: (2000, 0.4)}
    rows = [
        {"part": "PathStar", "agent": agent, "measure": "solved", "value": value, "train_steps": steps, "seed": seed}
        for agent in ("nextlat", "nextlat, recurrent")
        for seed, (steps, value) in values.items()
    ]
    assert solved_by_step(rows, tmp_path) == tmp_path / "paper-solved.png"
    assert (tmp_path / "paper-solved.png").stat().st_size > 1000
    (panel,) = solved_figure({"PathStar": {"nextlat": [(1000, True), (500, True), (2000, False)]}}).axes
    (line,) = panel.lines
    assert line.get_label() == "nextlat: 2 of 3 seeds"
    assert list(line.get_xdata()) == [0, 500, 1000, 2000]
    assert list(line.get_ydata()) == pytest.approx([0, 1 / 3, 2 / 3, 2 / 3])
    assert solved_by_step([rows[0] | {"part": "StreetMap"}], tmp_path) is None


def test_rows_of_another_size_are_kept(tmp_path: Path) -> None:
    file = tmp_path / "paper.json"
    rows = [{"part": "StreetMap", "seed": 0, "size": size} for size in ("cpu", "gpu")]
    file.write_text(json.dumps(rows))
    assert kept_rows(file, ["StreetMap"], range(1), "gpu") == rows[:1]


def test_the_size_is_one_of_three_and_of_this_suite_alone() -> None:
    with pytest.raises(UserError, match=r"size=tpu.*cpu, gpu, full"):
        benchmark(BenchmarkConfig(suite="paper", size="tpu"))
    with pytest.raises(UserError, match=r"size=gpu is for suite=paper only"):
        benchmark(BenchmarkConfig(suite="train", size="gpu"))


def test_what_takes_too_long_for_a_pass_is_measured_when_it_is_named() -> None:
    whole = _chosen_parts(BenchmarkConfig(suite="paper"))
    assert {"PathStar", "StreetMap", "step-cost"} <= {*whole}
    apart = {"PathStar-3x4", "PathStar-2x5", "Countdown", "step-cost-12x384"}
    assert not apart & {*whole}
    assert _chosen_parts(BenchmarkConfig(suite="paper", only="PathStar-2x5")) == ["PathStar-2x5"]
    assert apart <= {*_chosen_parts(BenchmarkConfig(suite="paper", show="paper.json"))}  # nothing is measured
    assert "Countdown" in _chosen_parts(BenchmarkConfig(suite="paper", size="full"))


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
    benchmark(
        BenchmarkConfig(suite="paper", size=size, only="+".join(parts), quick=True, runs=str(tmp_path), json=True)
    )
    rows = json.loads(capsys.readouterr().out)
    assert json.loads((tmp_path / "benchmarks" / "paper.json").read_text()) == rows
    if pick_device("auto").type == "cpu":
        assert {row["cores"] for row in rows} == {1}  # a core each, however many there are
    assert {row["part"] for row in rows} == set(parts)
    for row in rows:
        assert row["size"] == size and row["seed"] == 0 and np.isfinite(row["value"])
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
