"""Learning curves: points where they belong, and tables that do not flatter."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from stable_baselines3 import PPO

from benchmarks.options import Options
from benchmarks.rows import Row
from benchmarks.suites.sb3 import curves as sb3_curves
from benchmarks.suites.sb3.contestants import CURVES
from benchmarks.suites.sb3.curves import Points, contestant_settings, steps_to
from benchmarks.suites.sb3.figures import draw, learning_figure
from benchmarks.suites.sb3.tables import final_table, step_cells, steps_table
from nextlat_rl.errors import UserError
from tests.helpers.rows import made_row


def row(agent: str, seed: int, steps: int | None, data_steps: int = 0) -> Row:
    extra = {"data_steps": data_steps, "imagined_steps": 0, "cpu_seconds": 60.0, "target": 1.0, "curve": [[100, 0.5]]}
    values = {"measure": "curve", "return_mean": float(seed), "episodes": 8, "env_steps": 1000}
    return made_row("beliefs-DoorKey", agent, seed, "sb3", **values, extra=extra | {"steps_to": {"0.5": steps}})


def test_a_level_is_reached_at_the_first_point_at_or_above_it() -> None:
    points = [(100, 0.1), (200, 0.5), (300, 0.2), (400, 0.9)]
    assert steps_to(points, 0.5) == 200
    assert steps_to(points, 0.6) == 400
    assert steps_to(points, 1.0) is None


def test_points_are_taken_every_so_many_steps_of_all_environments() -> None:
    values = iter([None, 1.0, 2.0, 3.0])
    points = Points(100, lambda agent: next(values))
    agent = PPO("MlpPolicy", "CartPole-v1", n_steps=64, batch_size=64, n_epochs=1, device="cpu")
    agent.learn(448, callback=points)
    assert points.taken == [(200, 1.0), (300, 2.0), (400, 3.0)]


def test_fewer_steps_are_counted_against_the_agent_without_a_world_model() -> None:
    plain = [row("PPO", seed, steps) for seed, steps in enumerate((400, 500, 600))]
    mine = [row("PPO on beliefs", seed, steps, 2000) for seed, steps in enumerate((100, 200, 300))]
    reached, steps, low, high, with_data, ratio = step_cells(mine, plain, "0.5")
    assert (reached, steps, with_data, ratio) == ("3", "200", "2,200", "2.5")
    assert (low, high) == ("100", "300")


def test_a_seed_that_never_arrives_counts_with_all_its_steps() -> None:
    plain = [row("PPO", seed, None) for seed in range(2)]
    mine = [row("PPO on beliefs", 0, 100), row("PPO on beliefs", 1, 300)]
    assert step_cells(plain, plain, "0.5") == ["0", "", "", "", "", ""]
    assert step_cells(mine, plain, "0.5")[-1] == ">= 5.0"
    half = [row("PPO on beliefs", 0, 100), row("PPO on beliefs", 1, None)]
    assert step_cells(half, plain, "0.5")[:2] == ["1", ">= 550"]
    assert step_cells(half, plain, "0.5")[-1] == ""  # a bound over a bound says nothing


def test_tables_have_a_line_for_each_agent_and_level(tmp_path: Path) -> None:
    rows = [row("PPO on beliefs", 0, 50), *(row("PPO", seed, 100) for seed in range(4))]
    rows.append(made_row("beliefs-DoorKey", suite="sb3", return_mean=9.0))  # the main job's
    finals, reached = final_table(rows), steps_table(rows)
    assert [line[1:4] for line in finals.lines] == [["PPO", "1.500", "0.000"], ["PPO on beliefs", "0.000", ""]]
    assert [line[-1] for line in reached.lines] == ["1.0", "2.0"]  # the one without a world model comes first
    assert steps_table(rows, last=True).lines == reached.lines  # these rows have one level
    assert [file.name for file in draw(rows, tmp_path)] == ["sb3-curves.png"]
    assert draw(rows[-1:], tmp_path) == []


def test_the_figure_draws_means_from_worst_to_best() -> None:
    curves = [np.array([[1.0, 0.0], [2.0, 4.0]]), np.array([[2.0, 2.0]])]
    figure = learning_figure({"A": {"PPO": curves}, "B": {"PPO": curves}}, {"A": 1.0, "B": 1.0})
    panel = figure.axes[0]
    np.testing.assert_array_equal(panel.lines[0].get_xydata(), [[1, 0], [2, 3]])
    assert panel.get_title() == "A, 2 seeds"
    assert len([axes for axes in figure.axes if axes.get_visible()]) == 2
    many = learning_figure({"A": {f"agent {i}": curves for i in range(7)}}, {"A": 1.0}).axes[0]
    assert len(many.lines) == 7 + 1  # and the aim
    assert len({line.get_color() for line in many.lines[:6]}) == 6


def test_an_agent_has_one_colour_in_every_panel() -> None:
    curves = [np.array([[1.0, 0.0], [2.0, 4.0]])]
    panels = {"A": {"PPO": curves, "beliefs": curves, "LSTM": curves}, "B": {"PPO": curves, "LSTM": curves}}
    a, b = learning_figure(panels, {"A": 1.0, "B": 1.0}).axes[:2]
    drawn = [{line.get_label(): line.get_color() for line in panel.lines} for panel in (a, b)]
    assert drawn[0]["PPO"] == drawn[1]["PPO"] and drawn[0]["LSTM"] == drawn[1]["LSTM"]
    assert len({drawn[0][agent] for agent in panels["A"]}) == 3


def test_every_task_begins_without_a_world_model_and_its_settings_are_sb3s() -> None:
    for task in CURVES.values():
        assert not task.contestants[0].beliefs and any(contestant.beliefs for contestant in task.contestants)
        assert list(task.levels) == sorted(task.levels)
        for contestant in task.contestants:
            settings = contestant_settings(task, contestant)
            recurrent = contestant.algorithm == "RecurrentPPO"
            assert settings.agent["policy"] == ("MlpLstmPolicy" if recurrent else "MlpPolicy")


def test_imagined_replay_takes_as_many_gradient_steps_for_each_transition() -> None:
    task = CURVES["replay-Pendulum"]
    steps = [contestant_settings(task, contestant).agent["gradient_steps"] for contestant in task.contestants]
    assert steps == [1, 5, 1, 5, 5]
    imagining = task.contestants[-1]
    assert steps[-1] == 1 + imagining.imagined


def test_without_sb3_contrib_there_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sb3_curves, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="pip install sb3-contrib"):
        next(iter(sb3_curves.rows("beliefs-DoorKey", 0, Options(), Console())))
