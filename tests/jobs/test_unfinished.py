"""`resume=auto` finds the run to go on with; one run is trained by one command; what was killed leaves nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pytest
from rich.console import Console

from nextlat_rl.envs import resolve_env_id
from nextlat_rl.errors import UserError
from nextlat_rl.jobs.compose import compose
from nextlat_rl.jobs.config import TrainConfig
from nextlat_rl.jobs.unfinished import ROUNDS, held, held_new, newest_unfinished, reported_step, results
from nextlat_rl.locks import OWNER, locked
from nextlat_rl.training import checkpoint
from tests.helpers.tiny import tiny_model

QUIET = Console(quiet=True)
OPTIONS = ("env=CartPole-v1", "trainer.steps=5", "trainer.dynamics_finetune_steps=0")


def config(runs: Path, *options: str) -> TrainConfig:
    return compose("train", TrainConfig, [*OPTIONS, f"runs={runs}", "resume=auto", *options])


def made_run(runs: Path, name: str, *options: str, steps_done: int | None = None, env_id: str = "CartPole-v1") -> Path:
    """A run folder with a checkpoint, and with results of so many steps."""
    folder = runs / "CartPole-v1" / name
    settings = json.loads(json.dumps(asdict(config(runs, *options)) | {"resume": None}))
    checkpoint.save(folder / "checkpoints", 0, tiny_model(), None, {"env_id": env_id, "train_config": settings})
    if steps_done is not None:
        (folder / "results.json").write_text(json.dumps([{"train_steps": steps_done}]))
    return folder


def found(runs: Path, typed: Sequence[str] = (), *options: str) -> Path | None:
    return newest_unfinished(config(runs, *options, *typed), typed, QUIET)


def test_auto_takes_the_newest_run_that_is_not_finished_and_has_what_was_typed(tmp_path: Path) -> None:
    assert found(tmp_path) is None
    other = made_run(tmp_path, "20260101-000000", "trainer.batch_size=7")
    older = made_run(tmp_path, "20260101-000001")
    newer = made_run(tmp_path, "20260101-000002", steps_done=3)  # results of before it was resumed for more steps
    assert (reported_step(newer), results(newer), reported_step(older)) == (3, [], None)
    made_run(tmp_path, "20260101-000003", steps_done=5)
    (tmp_path / "CartPole-v1" / "20260101-000004").mkdir()
    assert found(tmp_path) == newer
    with locked(newer / OWNER, ""):
        assert found(tmp_path) == older
    assert found(tmp_path, ["trainer.batch_size=7"]) == other
    assert found(tmp_path, ["trainer.batch_size=8"]) is None
    assert found(tmp_path, ["device=cpu", "json=true", f"env={'CartPole-v1'}"]) == newer


def test_a_run_that_begins_while_the_clock_is_behind_is_the_newest(tmp_path: Path) -> None:
    older = made_run(tmp_path, "20990101-000000-first")
    (tmp_path / "CartPole-v1" / "of another name").mkdir()
    with held_new(config(tmp_path, "name=abc"), "CartPole-v1") as newer:
        assert newer.name == "20990101-000001-abc"
        made_run(tmp_path, newer.name)
    assert found(tmp_path) == newer != older
    with held_new(config(tmp_path), "CartPole-v1") as newest:
        assert newest.name == "20990101-000002"


def test_arguments_of_the_environment_tell_runs_apart(tmp_path: Path) -> None:
    plain = made_run(tmp_path, "20260101-000000")
    with_arguments = ("env.kwargs.max_episode_steps=20",)
    assert found(tmp_path, (), *with_arguments) is None and found(tmp_path, with_arguments) is None
    env_id = resolve_env_id("CartPole-v1", {"max_episode_steps": 20})
    short = made_run(tmp_path, "20260101-000001", *with_arguments, env_id=env_id)
    assert found(tmp_path, (), *with_arguments) == found(tmp_path, with_arguments) == short
    assert found(tmp_path) == plain


def test_of_several_rounds_a_finished_run_is_the_first(tmp_path: Path) -> None:
    first = made_run(tmp_path, "20260101-000000", steps_done=5)
    assert found(tmp_path) is None
    assert found(tmp_path, (), "rounds=2") == first
    assert found(tmp_path, (), "rounds=2", "trainer.steps=6") is None
    (first / ROUNDS).touch()
    assert found(tmp_path, (), "rounds=2") is None


def test_a_run_that_cannot_be_read_is_passed_over(tmp_path: Path) -> None:
    good, broken = made_run(tmp_path, "20260101-000000"), made_run(tmp_path, "20260101-000001")
    next(broken.glob("checkpoints/*/config.json")).write_text("{")
    assert found(tmp_path) == good


def test_two_commands_never_train_one_run(tmp_path: Path) -> None:
    run = made_run(tmp_path, "20260101-000000")
    with held(run), pytest.raises(UserError, match="is being trained by another command: wait for it"), held(run):
        pass


def test_going_on_with_a_run_sweeps_what_a_killed_command_left(tmp_path: Path) -> None:
    run = made_run(tmp_path, "20260101-000000")
    for left in ("checkpoints/.step-00000004.99", "checkpoints/step-00000003", "improved-imagination"):
        (run / left).mkdir()
        (run / left / "model.safetensors").touch()
    (run / "improved-imagination" / OWNER).touch()
    (run / "improved-reanalyse").mkdir()  # of a version without locks
    with held(run):
        pass
    assert sorted(path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_dir()) == [
        "checkpoints",
        "checkpoints/step-00000000",
        "improved-reanalyse",
    ]


def test_a_run_without_a_checkpoint_goes_again(tmp_path: Path) -> None:
    settings = config(tmp_path)
    killed = tmp_path / "CartPole-v1" / "20260101-000000"
    killed.mkdir(parents=True)
    (killed / OWNER).touch()
    with held_new(settings, "CartPole-v1") as folder:
        assert [path.name for path in folder.parent.iterdir()] == [folder.name]
    assert not any(folder.parent.iterdir())


def test_rounds_go_on_with_auto_alone(tmp_path: Path) -> None:
    config(tmp_path, "rounds=2")
    with pytest.raises(UserError, match="rounds= does not go with resume="):
        config(tmp_path, "rounds=2", "resume=runs/somewhere")
