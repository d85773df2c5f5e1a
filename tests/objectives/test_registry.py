"""Objectives are found by their files, and say themselves what they train."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import nextlat_rl.objectives as package
from nextlat_rl.errors import UserError
from nextlat_rl.objectives.config import ObjectiveConfig
from nextlat_rl.objectives.registry import OBJECTIVES, attach_training_modules, make_objective
from tests.helpers.tiny import tiny_model

NAMES = ["bst", "gpt", "jtp", "mtp", "nextlat"]


def test_every_objective_has_the_name_of_its_file() -> None:
    assert OBJECTIVES.names() == NAMES
    assert [OBJECTIVES.load(name).name for name in NAMES] == NAMES
    assert [name for name in NAMES if OBJECTIVES.load(name).trains_dynamics] == ["nextlat"]
    with_modules = [name for name in NAMES if OBJECTIVES.load(name).modules]
    assert with_modules == ["bst", "jtp", "mtp"]
    assert [OBJECTIVES.load(name).modules.objective for name in with_modules] == with_modules


def test_an_unknown_objective_is_one_clear_line() -> None:
    for call in (lambda: make_objective(ObjectiveConfig("gtp")), lambda: attach_training_modules(tiny_model(), "x", 1)):
        with pytest.raises(UserError, match=r"objective.name=\w+ is unknown; choose one of: bst, gpt, jtp, mtp"):
            call()


def test_a_new_objective_is_one_new_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "plain.py").write_text(
        "from nextlat_rl.objectives.base import Objective\n"
        "class Plain(Objective):\n"
        "    name = 'plain'\n"
        "OBJECTIVE = Plain\n"
    )
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    try:
        assert make_objective(ObjectiveConfig("plain")).weights()["policy"] == 1
        assert "plain" in OBJECTIVES.names()
    finally:
        sys.modules.pop("nextlat_rl.objectives.plain", None)


def test_listing_objectives_does_not_load_torch() -> None:
    code = "import sys; from nextlat_rl.objectives.registry import OBJECTIVES; OBJECTIVES.names()"
    code += "; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
