"""The doctor tells in seconds what the main job would do, and what it cannot do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest

from nextlat_rl.console import make_console
from nextlat_rl.errors import UserError
from nextlat_rl.jobs import doctor
from nextlat_rl.jobs.compose import compose
from nextlat_rl.jobs.config import TrainConfig
from nextlat_rl.jobs.training_run import train
from tests.helpers.unusual import register
from tests.jobs.test_any_environment import SMALLEST


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    monkeypatch.setenv("NEXTLAT_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


def examined(env: str, *options: str) -> dict[str, str]:
    found: list[doctor.Finding] = []
    doctor.examine(compose("doctor", TrainConfig, [f"env={env}", *SMALLEST, *options]), found)
    return {finding.what: finding.found for finding in found}


def test_what_is_announced_is_what_the_job_does() -> None:
    name = register("Examined")
    before = examined(name)
    assert before["behaviour"] == "random" and before["time limit"] == "1,000 steps"
    assert before["film"] == "one episode" and before["observation"].startswith("BoxCodec, 12 bytes")
    assert before["data"].startswith("120 steps")
    assert {"disk", "memory", "training", "evaluation"} <= before.keys()
    assert not list(Path("runs").iterdir())  # nothing is kept
    config = compose("train", TrainConfig, [f"env={name}", *SMALLEST, "collect.workers=1"])
    rows = train(config, make_console(quiet=False, silent=True))
    assert rows[-1]["env_steps"] == 120
    assert examined(name)["data"] == "there already"


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"action_space": gym.spaces.Tuple([gym.spaces.Discrete(2)] * 2)}, "action space Tuple"),
        ({"reward": lambda env: None}, "reward is None"),
    ],
    ids=["action", "reward"],
)
def test_a_job_that_cannot_work_is_refused_in_one_line(parts: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        examined(register(f"Examined{words.title().replace(' ', '')}", **parts))


def test_a_job_that_does_not_fit_on_the_disk_is_refused() -> None:
    with pytest.raises(UserError, match=r"need about .* GB.*collect.steps="):
        examined(register("Huge"), "collect.steps=1000000000000")
