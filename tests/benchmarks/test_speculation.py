"""The tables and figures of `suite=speculation`, and what they count."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.rows import Row
from benchmarks.suites.speculation.figures import draw, risk_lines
from benchmarks.suites.speculation.recorded import Played, changed
from benchmarks.suites.speculation.risked import risk_rows
from benchmarks.suites.speculation.tables import acting_table, imagination_table, risk_table
from nextlat_rl.agents.agent import BatchAgent
from nextlat_rl.agents.episodes import evaluation_seeds, run_episodes
from nextlat_rl.agents.speculative import SpeculativeAgent
from nextlat_rl.console import make_console
from nextlat_rl.drafting.length import FixedLength
from nextlat_rl.types import Step
from nextlat_rl.world_model import WorldModel
from tests.helpers.rows import made_row
from tests.helpers.tiny import cartpole_model

_DRAFTED = {"throughput": 2.0, "draft_cost": 0.25, "acceptance_by_position": [0.5, 1.0], "drafter_minutes": 0.0}
_ACTED = {"decisions": 1000, "changed": 0, "return_lost": 1.0, "return_lost_high": 2.0, "calls_where_known": 0.125}
_RISKED = {"risk": 0.1, "return_lost": 1.0, "return_lost_high": 2.0, "return_off": -50.0}


def drafted(seed: int, speedup: float, agent: str = "nextlat 2", **extra: Any) -> Row:
    values = {"measure": "imagination", "accepted_per_draft": 1.0, "speedup": speedup}
    return made_row("DoorKey", agent, seed, "speculation", **values, extra=_DRAFTED | extra)


def acted(seed: int, **extra: Any) -> Row:
    values = {"measure": "acting", "return_mean": -100.0, "trunk_calls_per_step": 0.25, "ms_per_decision": 2.0}
    return made_row("DoorKey", "none, tolerant 8", seed, "speculation", **values, speedup=1.5, extra=_ACTED | extra)


def risked(seed: int, calls: float, agent: str = "none, risk 0.1", **extra: Any) -> Row:
    values = {"measure": "risk", "episodes": 300, "trunk_calls_per_step": calls}
    return made_row("DoorKey", agent, seed, "speculation", **values, extra=_RISKED | extra)


def test_a_line_is_the_mean_over_seeds() -> None:
    rows = [
        drafted(1, 3.0, acceptance_by_position=[1.0, 1.0, 0.5, 0.25]),
        drafted(0, 2.0, throughput=1.5),
        acted(0),
        acted(1, return_lost_high=4.0, return_lost=0.0),
        risked(0, 0.25),
        risked(1, 0.5, return_lost=-1.0, return_lost_high=0.5),
        made_row("DoorKey", "policy (trunk)", 0, "speculation", return_mean=1.0),  # the main job's rows are in no table
    ]
    (line,) = imagination_table(rows).lines
    assert line[:3] == ["DoorKey", "nextlat", "2"]
    assert line[3:9] == ["2.50", "-3.85", "8.85", "2", "1.75", "1.00"]
    assert line[9:] == ["0.75", "0.25", "0.25", "0.0"]  # the fourth step was reached with one seed only
    assert not imagination_table(rows, ["adaptive"]).lines
    (line,) = acting_table(rows).lines
    assert line[:7] == ["DoorKey", "none", "tolerant 8", "1.50", "1.50", "1.50", "2"]
    assert line[7:12] == ["2,000", "0", "-100.000", "0.5", "4.0"]
    assert line[12:] == ["0.25", "0.12", "2.00"]
    (line,) = risk_table(rows).lines
    assert line[:5] == ["DoorKey", "none", "0.1", "2", "300"]
    assert line[5:8] == ["0.38", "-1.21", "1.96"]
    assert line[8:] == ["-50", "0.0", "-25.4", "25.4", "4.0"]


def test_what_a_risk_costs_is_counted_against_deciding_at_every_step() -> None:
    model = cartpole_model().eval()
    torch.nn.init.constant_(model.end.bias, -20.0)  # it expects no end, so that all of a draft is drafted
    world_model = WorldModel(model, "CartPole-v1")
    tolerances = {0.01: -1.0, 0.1: float("inf")}
    none, everything = risk_rows(world_model, "none", True, tolerances, 3, 20, make_console(True))
    assert (none["return_lost"], none["return_lost_high"], none["trunk_calls_per_step"]) == (0.0, 0.0, 1.0)
    assert none["decisions"] == 20 * none["return_off"] == 20 * none["return_mean"]  # a reward of 1 a step
    assert everything["return_off"] == none["return_off"]
    assert everything["return_lost"] == pytest.approx(everything["return_off"] - everything["return_mean"])
    one_by_one = SpeculativeAgent(world_model, 1, FixedLength(3), True, tolerance=float("inf"))
    run_episodes("CartPole-v1", one_by_one, evaluation_seeds(20), 1)
    assert (
        everything["trunk_calls_per_step"] == one_by_one.calls / one_by_one.decisions < 0.4
    )  # no idle rows in that one


def test_the_picture_of_risks_shows_the_mean_over_seeds_and_the_worst_end(tmp_path: Path) -> None:
    low = {"return_off": 50.0, "agent": "auto, risk 0.1"}
    rows = [risked(0, 0.25, **low), risked(1, 0.75, **low, return_lost_high=4.0)]
    high = {"return_off": 50.0, "agent": "auto, risk 0.3", "risk": 0.3}
    more = [risked(0, 0.2, **high), risked(1, 0.2, **high, return_lost_high=4.0)]
    rows = more + rows  # measured in any order, drawn by risk
    (name,) = lines = risk_lines(rows)
    assert name == "DoorKey, planner"
    np.testing.assert_allclose(lines[name], [[0.5, 2.0, 8.0], [0.2, 2.0, 8.0]])
    drawn, pictured = draw([*rows, drafted(0, 2.0, "nextlat 4"), acted(0)], tmp_path)
    assert (drawn.name, pictured.name) == ("speculation-DoorKey.png", "speculation-risk.png")
    assert drawn.stat().st_size > 1000 and pictured.stat().st_size > 1000
    assert draw([made_row(suite="speculation", return_mean=1.0)], tmp_path) == []


class Stander(BatchAgent):
    """Stands still on CartPole, and decides every second time ahead."""

    belief = torch.zeros(1, 1)
    ahead = torch.ones(1, dtype=torch.bool)

    def _choose(self, step: Step, episode: torch.Tensor) -> torch.Tensor:
        self.ahead = ~self.ahead
        return self.world_model.no_actions(1)


def test_actions_calls_and_seeds_are_kept_in_the_order_they_were_played() -> None:
    played, world_model = Played(), WorldModel(cartpole_model().eval(), "CartPole-v1")
    played.play("CartPole-v1", Stander(world_model, 1), [3, 4])
    played.play("CartPole-v1", Stander(world_model, 1), [5])
    assert played.seeds == [3, 4, 5]
    assert len(played.actions) == len(played.calls) == sum(played.returns)  # a reward of 1 a step
    assert played.calls[:4] == [1, 0, 1, 0]
    assert len(played.milliseconds) == 2


def test_a_missing_action_is_achanged_one() -> None:
    assert changed([1, 2, 3], [1, 0, 3]) == 1
    assert changed([1, 2], [1, 2, 3, 4]) == 2
