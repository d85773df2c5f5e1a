"""The main job with the baseline objectives, on a tiny data set."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nextlat_rl.cli.evaluate import evaluate
from nextlat_rl.console import make_console
from nextlat_rl.drafting.make import make_drafter
from nextlat_rl.errors import UserError
from nextlat_rl.jobs.commands import EvaluateCommand
from nextlat_rl.jobs.compose import compose
from nextlat_rl.jobs.config import TrainConfig
from nextlat_rl.jobs.training_run import train
from nextlat_rl.training import checkpoint
from nextlat_rl.world_model import WorldModel


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("objectives")


@pytest.fixture(autouse=True)
def caches(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(folder / "minari"))
    monkeypatch.setenv("NEXTLAT_CACHE", str(folder / "cache"))


def settings(folder: Path, *typed: str) -> TrainConfig:
    options = [f"runs={folder / 'runs'}", "json=true", "env=CartPole-v1", "collect.behaviour=random"]
    options += ["collect.steps=300", "objective.horizon=2", "model.layers=2", "model.width=16", "model.heads=2"]
    options += ["trainer.steps=3", "trainer.batch_size=4", "trainer.eval_episodes=2", "trainer.threads=1"]
    options += ["trainer.diagnosis_episodes=2", *typed]
    return compose("train", TrainConfig, options)


@pytest.mark.parametrize("name", ["mtp", "jtp", "bst"])
def test_trains_and_does_not_act_by_dynamics_that_it_has_not(folder: Path, name: str) -> None:
    rows = train(settings(folder, f"objective={name}", f"name={name}"), make_console(True))
    assert [row["agent"] for row in rows] == ["policy (trunk)", "behaviour (the data)"]
    (path,) = (folder / "runs" / "CartPole-v1").glob(f"*-{name}")
    assert json.loads((path / "results.json").read_text()) == rows
    saved = checkpoint.load_config(path)
    assert saved["step"] == 3 and saved["training_modules"] == {"name": name, "horizon": 2}
    with pytest.raises(UserError, match=f"acting=recurrent.*objective={name}.*acting=trunk"):
        evaluate(EvaluateCommand(str(path), acting="recurrent"))
    with pytest.raises(UserError, match=f"speculate=lossless.*objective={name}.*speculate=off"):
        evaluate(EvaluateCommand(str(path), speculate="lossless"))
    with pytest.raises(UserError, match=f"drafter=nextlat.*objective={name}.*drafter=eagle"):
        make_drafter(WorldModel.load(path, "cpu"), "nextlat")


@pytest.mark.parametrize(
    ("typed", "line"),
    [
        (["objective=bst", "planner=lookahead"], "planner=lookahead.*objective=bst.*planner=none"),
        (["objective=mtp", "acting=recurrent"], "acting=recurrent.*objective=mtp.*acting=trunk"),
        (["objective=gpt", "acting=recurrent"], "acting=recurrent.*objective=gpt.*acting=trunk"),
        (["objective=jtp", "improve=imagination"], "improve=imagination.*objective=jtp.*improve=none"),
        (["objective=bst", "objective.pair_fraction=0"], "pair_fraction=0.*above 0"),
    ],
)
def test_what_cannot_work_is_refused(folder: Path, typed: list[str], line: str) -> None:
    with pytest.raises(UserError, match=line):
        settings(folder, *typed)
