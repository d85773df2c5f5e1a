"""A planner's settings from plain dictionaries: defaults, and one clear line for what is wrong."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from nextlat_rl.agents.planning.config import PlannerConfig, planner_config, planner_names
from nextlat_rl.agents.planning.planners.gumbel import GumbelConfig
from nextlat_rl.agents.planning.planners.lookahead import LookaheadConfig
from nextlat_rl.agents.planning.planners.mppi import MPPIConfig
from nextlat_rl.errors import UserError


def test_names_are_the_files_of_the_package() -> None:
    assert planner_names() == ["none", "auto", "gumbel", "lookahead", "mppi"]


def test_settings_come_from_a_dictionary() -> None:
    assert planner_config({}) == planner_config({"name": "none"}) == PlannerConfig()
    assert planner_config({"name": "lookahead", "width": 32}) == LookaheadConfig(width=32)
    assert planner_config({"name": "gumbel", "rollout": "sample"}) == GumbelConfig(rollout="sample")
    assert planner_config({"name": "mppi", "elites": 4}) == MPPIConfig(elites=4)


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"name": "treesearch"}, "planner=treesearch is unknown; choose one of: none, auto, gumbel, lookahead, mppi"),
        ({"name": "lookahead", "width": 0}, "planner.width=0 must be at least 1"),
        ({"name": "lookahead", "rollout": "mode"}, "planner.rollout=mode is unknown; choose one of: argmax"),
        ({"name": "lookahead", "widht": 3}, "unknown option 'planner.widht'; did you mean planner.width"),
        ({"name": "mppi", "width": 3}, "unknown option 'planner.width'"),
        ({"name": "mppi", "temperature": 0.0}, "planner.temperature=0.0 must be above 0"),
        ({"name": "auto", "width": 3}, "planner.width needs a planner by name, not planner=auto"),
    ],
)
def test_a_wrong_setting_is_one_clear_line(settings: dict[str, Any], line: str) -> None:
    with pytest.raises(UserError) as caught:
        planner_config(settings)
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)


def test_listing_the_planners_does_not_load_torch() -> None:
    code = (
        "import sys; from nextlat_rl.agents.planning.config import planner_config, planner_names;"
        "planner_names(); planner_config({}); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
