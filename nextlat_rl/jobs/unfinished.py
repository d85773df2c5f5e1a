"""Runs that are not finished: the one to go on with, who holds a run folder, and sweeping what killed commands left."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from nextlat_rl.durable import PART
from nextlat_rl.env_ids import split_env_id
from nextlat_rl.envs import resolve_env_id
from nextlat_rl.errors import UserError
from nextlat_rl.files import read_json
from nextlat_rl.jobs.config import TrainConfig
from nextlat_rl.jobs.improvement import sweep_improved
from nextlat_rl.locks import OWNER, filled, is_held, locked, sweep_files, sweep_unfinished
from nextlat_rl.objectives.config import ObjectiveConfig
from nextlat_rl.settings import from_dict
from nextlat_rl.training import checkpoint
from nextlat_rl.training.config import TrainerConfig
from nextlat_rl.training.tracking import run_folder, runs_of
from nextlat_rl.training.trainer import total_steps

ROUNDS = "rounds.json"  # in the first run of several rounds: the rows of all, once they are done
_NOT_COMPARED = ("resume", "runs", "json", "device", "rounds", "env", "env.id", "env.timeout")


def newest_unfinished(config: TrainConfig, typed: Sequence[str], console: Console) -> Path | None:
    """The newest run of the environment that is not finished, not at work, and has the settings asked for.

    Args:
        config: all settings asked for; with several rounds, a finished run can be the first of them.
        typed: the options that the run must share with `config`; without any, it must share all.
        console: told about runs that cannot be read.
    """
    env_id = resolve_env_id(config.env.id, config.env.kwargs)
    folders = runs_of(config.runs, split_env_id(env_id)[0]).glob("*")
    asked = json.loads(json.dumps(asdict(config)))
    names = [option.lstrip("+~").partition("=")[0] for option in typed] or list(asked)
    compared = [name for name in names if name not in _NOT_COMPARED]
    for folder in sorted(filter(_has_checkpoint, folders), reverse=True):
        done = (folder / ROUNDS).exists() if config.rounds > 1 else results(folder)
        if done or is_held(folder / OWNER):
            continue
        try:
            file = checkpoint.load_config(folder)
        except UserError as error:
            console.print(f"Passing over {folder}: {error}", highlight=False)
            continue
        saved = file.get("train_config", {})
        if file.get("env_id") == env_id and all(_value(saved, name) == _value(asked, name) for name in compared):
            return folder
    return None


def _value(settings: Any, name: str) -> Any:
    for part in name.split("."):
        settings = settings.get(part) if isinstance(settings, dict) else None
    return settings


def results(folder: Path) -> list[dict[str, Any]]:
    """The rows of a run's results.json, if they are of the last step that its settings ask for; else none."""
    try:
        saved = checkpoint.load_config(folder)["train_config"]
        trainer = from_dict(TrainerConfig, saved["trainer"], "trainer.")
        objective = from_dict(ObjectiveConfig, saved["objective"], "objective.")
    except (KeyError, TypeError, UserError):
        return []  # of another version, or broken: the run is not known to be finished
    return _rows(folder) if reported_step(folder) == total_steps(trainer, objective.name) else []


def reported_step(folder: Path) -> int | None:
    """The step whose scores a run's results.json holds; None if there is none."""
    step = next((row.get("train_steps") for row in _rows(folder)), None)
    return step if isinstance(step, int) else None


def _rows(folder: Path) -> list[dict[str, Any]]:
    try:
        rows = read_json(folder / "results.json")
    except (OSError, ValueError):
        return []  # none, or broken: the run is not known to be finished
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


@contextmanager
def held(folder: Path) -> Iterator[Path]:
    """Hold a run folder that is there, and delete what a killed command left in it.

    Raises:
        UserError: another command trains this run.
    """
    with locked(folder / OWNER, f"'{folder}' is being trained by another command: wait for it, or stop it"):
        checkpoint.sweep(folder / "checkpoints")
        sweep_files(folder, f"{PART}*")
        sweep_improved(folder)
        yield folder


@contextmanager
def held_new(config: TrainConfig, env_id: str) -> Iterator[Path]:
    """Hold a new run folder; it goes again unless there is a checkpoint in it. Those of killed commands go first.

    Raises:
        UserError: it cannot be made.
    """
    name = split_env_id(env_id)[0]
    sweep_unfinished(runs_of(config.runs, name).glob("*"), _has_checkpoint)
    with filled(run_folder(config.runs, name, config.name), "runs=", _has_checkpoint) as folder:
        yield folder


def _has_checkpoint(folder: Path) -> bool:
    return any(folder.glob("checkpoints/step-*/config.json"))
