"""Whether a command can write its result is found out before it works, and no result replaces another."""

from __future__ import annotations

import importlib
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from nextlat_rl.errors import UserError
from nextlat_rl.jobs.config import TrainConfig
from nextlat_rl.training import checkpoint
from tests.helpers.tiny import cartpole_model


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run folder with an untrained checkpoint."""
    folder = tmp_path / "run"
    trained = {"env_id": "CartPole-v1", "discount": 0.99, "train_config": asdict(TrainConfig())}
    checkpoint.save(folder / "checkpoints", 1, cartpole_model(), None, trained)
    return folder


def command(monkeypatch: pytest.MonkeyPatch, name: str, *options: str) -> int:
    monkeypatch.setattr(sys, "argv", [name, *options])
    try:
        importlib.import_module(f"nextlat_rl.{name}").main()
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


@pytest.mark.parametrize("name", ["evaluate", "plan", "draft"])
def test_a_folder_that_cannot_be_written_is_said_before_anything_is_played(
    name: str, run: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    module = importlib.import_module(f"nextlat_rl.cli.{name}")

    def forbidden(folder: Path, setting: str) -> None:
        raise UserError(f"cannot write to {folder}: {setting}")

    def loaded(config: Any) -> None:
        raise AssertionError("it began")

    monkeypatch.setattr(module, "check_folder", forbidden)
    monkeypatch.setattr(module, "load_world_model", loaded)
    assert command(monkeypatch, name, f"checkpoint={run}") == 2
    assert capfd.readouterr().err == f"error: cannot write to {run}: {'checkpoint=' if name == 'draft' else 'out='}\n"


def test_evaluate_writes_where_it_is_told_to(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = sorted(run.iterdir())
    assert (
        command(monkeypatch, "evaluate", f"checkpoint={run}", f"out={tmp_path / 'rows'}", "episodes=2", "threads=1")
        == 0
    )
    assert len(list((tmp_path / "rows").glob("evaluation-*.json"))) == 1 and sorted(run.iterdir()) == before


def test_plans_of_the_same_second_get_pictures_of_their_own(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "strftime", lambda form, *_: form.replace("%", ""))
    for _ in range(2):
        options = [
            f"checkpoint={run}",
            "planner=lookahead",
            "planner.width=4",
            "planner.depth=2",
            "lines=2",
            "threads=1",
        ]
        assert command(monkeypatch, "plan", *options) == 0
    pictures = list(run.glob("plan-*.png"))
    assert len(pictures) == 2 and all(picture.with_suffix("").is_dir() for picture in pictures)
