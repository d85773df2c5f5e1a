"""The tables of `suite=speculation` and what they count."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.table import Table

from benchmarks.acting import Played, changed
from benchmarks.report_speculation import risk_lines, speculation_figures, speculation_tables
from benchmarks.risk import risk_rows
from nextlat_rl.agents.episodes import evaluation_seeds, run_episodes
from nextlat_rl.agents.tolerant import TolerantAgent
from nextlat_rl.config import PlannerSettings
from nextlat_rl.console import make_console
from nextlat_rl.drafting.length import FixedLength
from nextlat_rl.world_model import WorldModel
from tests.helpers.tiny import cartpole_model


def cells(table: Table) -> list[list[str]]:
    return [list(row) for row in zip(*(column.cells for column in table.columns), strict=True)]


def test_a_line_is_the_mean_over_seeds() -> None:
    drafted = {"part": "DoorKey", "kind": "imagination", "contender": "nextlat 2", "drafter_minutes": 0.0}
    drafted |= {"accepted_per_draft": 1.0, "draft_cost": 0.25, "acceptance_by_position": [0.5, 1.0]}
    acted = {"part": "DoorKey", "kind": "acting", "contender": "none, tolerant", "decisions": 1000, "changed": 0}
    acted |= {"episode_return": -100.0, "return_lost": 1.0, "return_lost_high": 2.0, "trunk_calls_per_step": 0.25}
    acted |= {"ms_per_decision": 2.0, "speed_up": 1.5, "calls_where_known": 0.125, "share_known": 0.5}
    risked = {"part": "DoorKey", "kind": "risk", "contender": "none, risk 0.1", "episodes": 300, "return_off": -50.0}
    risked |= {"return_lost": 1.0, "return_lost_high": 2.0, "calls_per_step": 0.25}
    rows = [
        drafted | {"seed": 1, "speed_up": 3.0, "throughput": 2.0, "acceptance_by_position": [1.0, 1.0, 0.5]},
        drafted | {"seed": 0, "speed_up": 2.0, "throughput": 1.5},
        acted | {"seed": 0},
        acted | {"seed": 1, "return_lost_high": 4.0, "return_lost": 0.0},
        risked | {"seed": 0},
        risked | {"seed": 1, "calls_per_step": 0.5, "return_lost": -1.0, "return_lost_high": 0.5},
        {"part": "DoorKey", "seed": 0, "agent": "policy (trunk)"},  # the main job's rows are in no table
    ]
    imagining, acting, risks = (cells(table) for table in speculation_tables(rows))
    assert imagining == [
        [
            "DoorKey",
            "nextlat",
            "2",
            "2.50 (2.00 / 3.00)",
            "1.75 (1.50 / 2.00)",
            "1.00",
            "0.75 1.00 0.50",
            "0.25",
            "0.0",
        ],
    ]
    ((*named, calls, known, milliseconds, speed_up),) = acting
    assert named == ["DoorKey", "none, tolerant", "2,000", "0", "-100.000", "0.5% (4.0%)"]
    assert (calls, known) == ("0.25", "0.12 (50% of steps)")
    assert (milliseconds, speed_up) == ("2.00", "1.50 (1.50 / 1.50)")
    (line,) = risks
    assert line[:4] == ["DoorKey", "none, risk 0.1", "2", "300"]
    assert line[4:] == ["0.25 / 0.50", "-50 / -50", "2.0% (4.0%) / -2.0% (1.0%)"]


def test_what_a_risk_costs_is_counted_against_deciding_at_every_step() -> None:
    model = cartpole_model().eval()
    torch.nn.init.constant_(model.end.bias, -20.0)  # it expects no end, so that all of a draft is drafted
    world_model = WorldModel(model, "CartPole-v1")
    tolerances = {0.01: -1.0, 0.1: float("inf")}
    none, everything = risk_rows(world_model, PlannerSettings(name="none"), True, tolerances, 3, 20, make_console(True))
    assert (none["return_lost"], none["return_lost_high"], none["calls_per_step"]) == (0.0, 0.0, 1.0)
    assert none["decisions"] == 20 * none["return_off"] == 20 * none["episode_return"]  # a reward of 1 a step
    assert everything["return_off"] == none["return_off"]
    assert everything["return_lost"] == pytest.approx(everything["return_off"] - everything["episode_return"])
    one_by_one = TolerantAgent(world_model, 1, FixedLength(3), float("inf"), True)
    run_episodes("CartPole-v1", one_by_one, evaluation_seeds(20), 1)
    assert everything["calls_per_step"] == one_by_one.calls / one_by_one.decisions < 0.4  # no idle rows in that one


def test_the_picture_of_risks_shows_the_mean_over_seeds_and_the_worst_end(tmp_path: Path) -> None:
    row = {"part": "DoorKey", "kind": "risk", "contender": "auto, risk 0.1", "risk": 0.1, "seed": 0, "return_off": 50.0}
    row |= {"calls_per_step": 0.25, "return_lost": 1.0, "return_lost_high": 2.0}
    rows = [row, row | {"seed": 1, "calls_per_step": 0.75, "return_lost_high": 4.0}]
    more = [r | {"contender": "auto, risk 0.3", "risk": 0.3, "calls_per_step": 0.2} for r in rows]
    rows = more + rows  # measured in any order, drawn by risk
    (name,) = lines = risk_lines(rows)
    assert name == "DoorKey, planner"
    np.testing.assert_allclose(lines[name], [[0.5, 2.0, 8.0], [0.2, 2.0, 8.0]])
    drawn, pictured = speculation_figures(rows, tmp_path)
    assert (drawn.name, pictured.name) == ("speculation-DoorKey.png", "speculation-risk.png")
    assert pictured.stat().st_size > 1000


class Stander:
    """Stands still on CartPole, and calls something at every second decision."""

    calls = 0
    decisions = 0

    def act(self, observations: Sequence[Any], *arguments: Any) -> list[Any]:
        self.decisions += 1
        self.calls += self.decisions % 2
        return [0 for _ in observations]


def test_actions_calls_and_seeds_are_kept_in_the_order_they_were_played() -> None:
    played = Played()
    played.play("CartPole-v1", Stander(), [3, 4])
    played.play("CartPole-v1", Stander(), [5])
    assert played.seeds == [3, 4, 5]
    assert len(played.actions) == len(played.calls) == sum(played.returns)  # a reward of 1 a step
    assert played.calls[:4] == [1, 0, 1, 0]
    assert len(played.milliseconds) == 2


def test_a_missing_action_is_achanged_one() -> None:
    assert changed([1, 2, 3], [1, 0, 3]) == 1
    assert changed([1, 2], [1, 2, 3, 4]) == 2
