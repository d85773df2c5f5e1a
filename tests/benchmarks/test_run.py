"""The benchmark keeps what it does not measure again, and its rivals play by the rules of everybody else."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from benchmarks.main_job import TASKS, seeds_table
from benchmarks.planner import PLANNER_TASKS, PlannerTask
from benchmarks.rivals import FeatureAgent
from benchmarks.run import kept_rows
from nextlat_rl.agents.episodes import run_episodes


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
