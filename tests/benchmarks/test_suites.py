"""The suites of the main job, of planners and of speed, and their rivals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console

from benchmarks import jobs
from benchmarks.jobs import TrainJob, run_command
from benchmarks.options import Options
from benchmarks.rivals.features import FeatureAgent, random_policy
from benchmarks.suite import SUITES
from benchmarks.suites.planner import improved, planned
from benchmarks.suites.planner.figures import draw, improvement_figure
from benchmarks.suites.planner.tasks import IMPROVED, PLANNED, RIVALS
from benchmarks.suites.speed import speed_table
from benchmarks.suites.speed.lookahead import Network
from benchmarks.suites.speed.timed import Timed
from benchmarks.timing import interleave
from nextlat_rl.agents.episodes import run_episodes
from nextlat_rl.errors import UserError
from nextlat_rl.jobs.commands import EvaluateCommand, ImproveCommand
from nextlat_rl.jobs.compose import compose
from nextlat_rl.jobs.config import TrainConfig
from nextlat_rl.results import Provenance
from tests.helpers.rows import made_row

_QUIET = Console(quiet=True)
_ENV = "MiniGrid-Empty-5x5-v0"


def test_a_rival_sees_features_and_plays_every_seed() -> None:
    seen: list[tuple[int, ...]] = []

    def forward(features: np.ndarray) -> np.ndarray:
        seen.append(features.shape)
        return np.full(len(features), 2)

    results, _ = run_episodes(_ENV, FeatureAgent(_ENV, forward), [1, 2, 3], 2)
    assert [result.seed for result in results] == [1, 2, 3]
    assert all(result.episode_return == 0.0 for result in results)  # forward alone ends at the wall
    assert {shape[0] for shape in seen} == {2} and len({shape[1] for shape in seen}) == 1


def test_the_random_rival_takes_only_actions_that_move() -> None:
    assert set(random_policy(_ENV, 0)(np.zeros((100, 3)))) == {0, 1, 2}


def test_every_planned_task_names_its_planners() -> None:
    for task in PLANNED.values():
        assert task.target is not None
        assert all(planner[0].startswith("planner=") for planner in task.planners)
    assert not {*PLANNED} & {*IMPROVED} and len({*RIVALS}) == len(RIVALS)


@pytest.mark.parametrize("name", [*PLANNED, *IMPROVED])
def test_the_commands_know_every_option_of_a_task(name: str) -> None:
    """A renamed option is found here, not after an hour of measuring."""
    if name in IMPROVED:
        task = IMPROVED[name]
        weighted = (*(task.weighted or ()), *improved.MIXTURE, *improved.IMPROVE)
        config = compose("train", TrainConfig, [f"env={task.env}", *task.options, *weighted])
        assert config.env.id.startswith(task.env)
        return
    planned_task = PLANNED[name]
    compose("train", TrainConfig, [f"env={planned_task.env}", *planned_task.options])
    for planner in planned_task.planners:
        assert compose("evaluate", EvaluateCommand, ["checkpoint=run", *planner]).planner.name != "none"
    compose("improve", ImproveCommand, ["checkpoint=run", *planned_task.improve])


def _printed(agent: str, **more: Any) -> dict[str, Any]:
    figures = {"return_mean": 1.0, "return_ci_low": 0.5, "return_ci_high": 1.5, "ms_per_decision": 0.1}
    where = {"device": "cpu", "cores": 1, "seed": 7, "git_revision": "abc", "run": "runs/one", "deterministic": True}
    return {"agent": agent} | figures | where | more


def test_rows_of_the_main_job_have_the_benchmarks_command_and_the_training_seed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    typed: list[tuple[str, ...]] = []

    def run(*arguments: str, folder: str | None) -> tuple[str, float]:
        typed.append(arguments)
        return jobs.json.dumps([_printed("policy (trunk)"), _printed("behaviour (the data)")]), 5.0

    monkeypatch.setattr(jobs, "run_command", run)
    job = TrainJob("train", "A", "Env-v0", 3, ("planner=none",), 0.5, rename=str.upper)
    rows = jobs.train(job, Options(runs="here"), _QUIET)
    assert [row.agent for row in rows] == ["POLICY (TRUNK)", "BEHAVIOUR (THE DATA)"]
    assert {"env=Env-v0", "seed=3", "collect.seed=3000000", "planner=none", "json=true"} <= {*typed[0]}
    assert rows[0].seed == 3 and isinstance(rows[0].provenance, Provenance)
    assert (rows[0].figure("peak_memory_mb"), rows[0].figure("target"), rows[0].figure("run")) == (5.0, 0.5, "runs/one")


def test_planners_act_from_the_trained_checkpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    typed: list[tuple[str, ...]] = []

    def run(*arguments: str, **_: Any) -> tuple[str, float]:
        typed.append(arguments)
        count = 2 if arguments[0] in ("train", "improve") else 1
        run_folder = "runs/one/improved" if arguments[0] == "improve" else "runs/one"
        return jobs.json.dumps([_printed(f"policy ({arguments[0]})", run=run_folder)] * count), 5.0

    monkeypatch.setattr(jobs, "run_command", run)
    monkeypatch.setattr(planned, "run_command", run)
    rows = list(planned.rows("FourRooms", 1, Options(), _QUIET))
    names = [arguments[0] for arguments in typed]
    assert names == ["train", *["evaluate"] * 4, "improve", "evaluate"]
    assert all("checkpoint=runs/one" in arguments for arguments in typed[1:6])
    assert "checkpoint=runs/one/improved" in typed[6]
    assert rows[2].agent == "policy (evaluate) argmax"
    assert rows[4].agent == "policy (evaluate) argmax depth=3 width=12"
    assert rows[-1].agent == "improved policy (evaluate) argmax"
    assert {row.seed for row in rows} == {1} and {row.figure("target") for row in rows} == {0.65}


def test_a_command_that_fails_is_named() -> None:
    with pytest.raises(UserError, match=r"python -m nextlat_rl\.none failed with exit code 1"):
        run_command("none")


def test_d3rlpys_rivals_ask_for_a_python_that_has_it() -> None:
    with pytest.raises(UserError, match="rival-d3rlpy needs d3rlpy="):
        list(SUITES.load("planner").measure("rival-d3rlpy", 0, Options(), _QUIET))


def test_two_calls_are_timed_in_turn() -> None:
    calls: list[str] = []
    interleave(lambda: calls.append("a"), lambda: calls.append("b"), 2)
    assert calls == ["a", "b", "a", "b", "a", "b"]


def test_a_timed_pair_says_how_many_times_as_fast_ours_is() -> None:
    row = Timed("a step", "ours", 0.5, "at least 2", "theirs", 2.0, cores=1).row("data", 0)
    assert (row.value, row.speedup, row.agent, row.measure) == (0.5, 4.0, "ours", "a step")
    alone = Timed("a start", "ours", 0.25).row("startup", 0)
    assert alone.speedup is None
    lines = speed_table([row, alone]).lines
    assert lines[0] == ["a step", "ours", "500", "theirs", "2000", "4.00", "at least 2"]
    assert lines[1] == ["a start", "ours", "250", "", "", "", ""]


def test_the_network_of_the_speed_test_has_the_shapes_of_a_planning_model() -> None:
    network = Network()
    belief = torch.randn(3, 128)
    assert [part.shape for part in network.root(belief)] == [(3, 7), (3,)]
    prediction = network.step(belief, torch.tensor([0, 1, 6]), torch.zeros(3, 0))
    assert prediction.belief.shape == (3, 128) and prediction.logits.shape == (3, 7)


def test_speed_is_measured(tmp_path: Path) -> None:
    rows = list(SUITES.load("speed").measure("lookahead", 0, Options(quick=True, runs=str(tmp_path)), _QUIET))
    assert rows and all(row.value and row.value > 0 for row in rows)
    assert len({row.key for row in rows}) == len(rows)


def test_the_figure_of_poor_data_has_a_panel_for_each_task(tmp_path: Path) -> None:
    assert draw([made_row("FourRooms", suite="planner")], tmp_path) == []
    rows = [
        made_row(part, agent, seed, "planner", return_mean=1.0)
        for part in ("mixed-A", "mixed-B")
        for agent in ("cloned (trunk)", "policy (trunk)")
        for seed in (0, 1)
    ]
    figure = improvement_figure(rows)
    assert figure is not None and [axes.get_title() for axes in figure.axes] == ["A", "B"]
    (file,) = draw(rows, tmp_path)
    assert file == tmp_path / "improvement.png" and file.exists()
