"""The benchmark keeps what it does not measure again, and its rivals play by the rules of everybody else."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.main_job import TASKS, seeds_table
from benchmarks.planner import PLANNER_TASKS, PlannerTask
from benchmarks.rivals import FeatureAgent
from benchmarks.run import benchmark, kept_rows
from nextlat_rl.agents.episodes import run_episodes
from nextlat_rl.config import BenchmarkConfig
from nextlat_rl.errors import UserError

_RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"


def test_rows_of_other_parts_and_seeds_are_kept(tmp_path: Path) -> None:
    file = tmp_path / "planner.json"
    assert kept_rows(file, ["A"], range(1)) == []
    rows = [{"part": "A", "seed": 0}, {"part": "A", "seed": 1}, {"part": "B", "seed": 1}, {"part": "speed"}]
    file.write_text(json.dumps(rows))
    assert kept_rows(file, ["A"], range(1, 2)) == [rows[0], rows[2], rows[3]]
    assert kept_rows(file, ["speed"], range(1)) == rows[:3]


def test_the_table_over_seeds_has_a_line_for_each_agent() -> None:
    rows = [
        {"part": "A", "agent": agent, "seed": seed, "return_mean": float(seed), "episodes": 5}
        for agent in ("policy", "planner")
        for seed in (1, 0)
    ]
    shown = seeds_table(rows)
    assert shown.row_count == 2
    assert list(shown.columns[2].cells) == ["0.500", "0.500"]
    assert list(shown.columns[4].cells) == ["0.000 / 1.000"] * 2


def test_a_rival_sees_features_and_plays_every_seed() -> None:
    seen: list[tuple[int, ...]] = []

    def forward(features: np.ndarray) -> np.ndarray:
        seen.append(features.shape)
        return np.full(len(features), 2)

    results, _ = run_episodes("MiniGrid-Empty-5x5-v0", FeatureAgent("MiniGrid-Empty-5x5-v0", forward), [1, 2, 3], 2)
    assert [result.seed for result in results] == [1, 2, 3]
    assert all(result.episode_return == 0.0 for result in results)  # forward alone ends at the wall
    assert {shape[0] for shape in seen} == {2} and len({shape[1] for shape in seen}) == 1


def test_every_planner_task_has_a_target_and_a_planner() -> None:
    for name, task in PLANNER_TASKS.items():
        assert isinstance(task, PlannerTask)
        assert name in TASKS
        assert all(options[0].startswith("planner=") for options in task.planners)


# A figure that the README quotes from each file.
@pytest.mark.parametrize(
    ("suite", "quoted"),
    [("train", "0.694"), ("planner", "0.607"), ("speculation", "4.30"), ("sb3", "110,592"), ("paper", "0.998")],
)
def test_rows_measured_before_are_shown_again_with_the_figures_they_hold(
    suite: str, quoted: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    benchmark(BenchmarkConfig(suite=suite, show=str(_RESULTS / f"{suite}.json"), runs=str(tmp_path)))
    assert quoted in capsys.readouterr().out


def test_only_the_chosen_parts_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = str(_RESULTS / "train.json")
    benchmark(BenchmarkConfig(suite="train", only="Pendulum", show=file, runs=str(tmp_path)))
    out = capsys.readouterr().out
    assert "Pendulum" in out and "FourRooms" not in out


def test_showing_what_holds_no_rows_says_so(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not a file"):
        benchmark(BenchmarkConfig(show=str(tmp_path / "none.json")))
    (tmp_path / "other.json").write_text('{"a": 1}')
    with pytest.raises(UserError, match="holds no rows of the benchmark"):
        benchmark(BenchmarkConfig(show=str(tmp_path / "other.json")))
    with pytest.raises(UserError, match="no rows of suite=train only=Pendulum"):
        (tmp_path / "some.json").write_text('[{"part": "DoorKey"}]')
        benchmark(BenchmarkConfig(only="Pendulum", show=str(tmp_path / "some.json")))
