"""`python -m nextlat_rl.draft` on a grid world, whose steps can be guessed, and on one whose steps cannot."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nextlat_rl.cli.draft import draft
from nextlat_rl.errors import UserError
from nextlat_rl.jobs.commands import DraftCommand
from tests.helpers.untrained import untrained_run


def test_a_drafter_is_raced_and_its_row_is_kept(tmp_path: Path) -> None:
    run = untrained_run(tmp_path / "run")
    draft(DraftCommand(checkpoint=str(run), drafter="nextlat", draft="2", horizon=6, rounds=1, threads=1))
    (file,) = run.glob("draft-*.json")
    alone, drafted = json.loads(file.read_text())
    assert alone["contender"] == "none" and alone["speed_up"] == 1
    assert drafted["contender"] == "nextlat 2" and drafted["draft_cost"] > 0
    assert drafted["acceptance_by_position"]


def test_continuous_observations_are_refused_before_anything_is_drawn(tmp_path: Path) -> None:
    untrained_run(tmp_path, "CartPole-v1")
    with pytest.raises(UserError, match=r"drafter=eagle guesses whole steps.*one step at a time"):
        draft(DraftCommand(checkpoint=str(tmp_path), drafter="eagle"))
