"""Checkpoints: folders of safetensors and JSON, written completely or not at all. Loading one never runs code."""

import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from minari.serialization import serialize_space
from safetensors import SafetensorError
from torch import Tensor

from nextlat_rl.durable import PART, cannot_write, make_folder, publish
from nextlat_rl.errors import UserError
from nextlat_rl.files import digest, read_json, seal
from nextlat_rl.models.config import ModelConfig
from nextlat_rl.models.nextlat import NextLat
from nextlat_rl.objectives.config import ObjectiveConfig
from nextlat_rl.objectives.registry import attach_training_modules, training_modules
from nextlat_rl.results import write_json
from nextlat_rl.settings import from_dict
from nextlat_rl.training import saved_config
from nextlat_rl.training.optimizer import Optimizer
from nextlat_rl.training.upgrade import FORMAT, upgraded, upgraded_weights
from nextlat_rl.training.weights import Allowance, Header, check_header, read_header, read_tensors, write_tensors

_STEP = re.compile(r"step-(\d+)$")
# What reading weights and building a network from a damaged file can raise.
_FAULTS = (
    *(UserError, OSError, SafetensorError, RuntimeError, ValueError, TypeError, KeyError, IndexError, AttributeError),
    *(AssertionError, OverflowError),
)


def save(folder: Path, step: int, model: NextLat, optimizer: Optimizer | None, config: dict[str, Any]) -> Path:
    """Write `folder/step-<n>` and delete the older ones.

    Args:
        folder: the run's `checkpoints` folder.
        step: optimiser steps done.
        model: saved as `model.safetensors`.
        optimizer: saved as `optimizer.safetensors`; without one the checkpoint cannot be trained further.
        config: more JSON for `config.json`, such as `env_id` and `train_config`; see `SavedConfig`.

    Raises:
        UserError: the disk is full, a weight is no longer finite, or `config` has an entry that no checkpoint has;
            older checkpoints are untouched.
    """
    if not all(torch.isfinite(weight).all() for weight in model.state_dict().values()):
        raise UserError(
            f"the weights are no longer finite at step {step}: nothing is saved; use a smaller trainer.learning_rate"
        )
    target = folder / f"step-{step:08d}"
    if (target / "config.json").exists():  # the same one, as training is a function of the step
        sweep(folder)
        return target
    model_config = {
        "format": FORMAT,
        "step": step,
        "model": asdict(model.config),
        "training_modules": training_modules(model),
        "observation_space": serialize_space(model.spaces.observation),
        "action_space": serialize_space(model.spaces.action),
        "statistics": model.spaces.statistics,
        **config,
    }
    saved_config.check(model_config)  # what is written can be read again
    files = {"model.safetensors": model.state_dict()}
    if optimizer is not None:
        files["optimizer.safetensors"] = optimizer.tensors()
    _write(target, files, model_config)
    return target


def write_next(folder: Path, files: Mapping[str, Mapping[str, Tensor]], config: Mapping[str, Any]) -> Path:
    """Write the next folder of a series of which `newest` finds the last, and delete the others.

    Raises:
        UserError: it cannot be written; the older one is untouched.
    """
    last = _steps(folder)[-1:]
    target = folder / f"step-{int(last[0].name.removeprefix('step-')) + 1 if last else 1:08d}"
    _write(target, files, config)
    return target


def _write(target: Path, files: Mapping[str, Mapping[str, Tensor]], config: Mapping[str, Any]) -> None:
    """Write a folder of tensors with a sealed config, in one piece, and delete the older ones beside it."""
    scratch = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        make_folder(scratch)
        for name, tensors in files.items():
            write_tensors(scratch / name, tensors)
        seals = {file.name: seal(file) for file in sorted(scratch.glob("*.safetensors"))}
        (scratch / "config.json").write_text(json.dumps(_sealed({**config, "files": seals}), indent=1))
        publish(scratch, target)
    except OSError as error:
        raise cannot_write(target, error) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    sweep(target.parent)


def sweep(folder: Path) -> None:
    """Delete all but the newest checkpoint, and what killed processes left; only for the one that trains this run."""
    newest = _steps(folder)[-1:]
    for other in folder.glob("*"):
        if other not in newest and other.name.startswith(("step-", ".step-")):
            shutil.rmtree(other, ignore_errors=True)
    for part in folder.glob(f"step-*/{PART}*"):
        part.unlink(missing_ok=True)


def find(path: str | Path) -> Path:
    """The newest checkpoint of a run folder, or the checkpoint folder itself.

    Raises:
        UserError: if there is none.
    """
    root = Path(path)
    if (root / "model.safetensors").exists() and (root / "config.json").exists():
        return root
    steps = _steps(root / "checkpoints") or _steps(root)
    if not steps:
        what = "holds no checkpoint" if root.exists() else "does not exist"
        raise UserError(f"'{path}' {what}; give a run folder such as runs/<env>/<time>, made by nextlat_rl.train")
    return steps[-1]


def newest(folder: Path) -> Path:
    """The folder that `write_next` wrote last.

    Raises:
        UserError: there is none.
    """
    if not (steps := _steps(folder)):
        raise UserError(f"nothing was saved in '{folder}'")
    return steps[-1]


def run_folder(path: str | Path) -> Path:
    """The run folder that a checkpoint belongs to."""
    return find(path).parent.parent


def load_config(path: str | Path) -> dict[str, Any]:
    """The JSON part of a checkpoint.

    Raises:
        UserError: if it is missing, broken or of another format.
    """
    file = find(path) / "config.json"
    try:
        content = read_sealed(file)
    except (OSError, ValueError) as error:
        raise UserError(f"{file} is broken ({error}); use another checkpoint") from None
    try:
        config = upgraded(content)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{file} is not a checkpoint of format {FORMAT} ({error}); it was made by another version"
        ) from None
    try:
        saved_config.check(config)
    except (UserError, ValueError, TypeError, AttributeError) as error:
        raise UserError(f"{file} is refused ({error}); use another checkpoint") from None
    return config


def read_sealed(file: Path) -> Any:
    """A config as it was written.

    Raises:
        OSError, ValueError: it cannot be read, or is damaged.
    """
    content = read_json(file)
    if isinstance(content, dict) and "seal" in content and content != _sealed(content):
        raise ValueError("it is not what was written: its SHA-256 differs")
    return content


def _sealed(config: dict[str, Any]) -> dict[str, Any]:
    """A config with the digest of everything else in it, against damage."""
    plain = {name: value for name, value in config.items() if name != "seal"}
    return plain | {"seal": digest(plain)}


def annotate(path: str | Path, **values: Any) -> None:
    """Add JSON values to the config of a checkpoint, or of a run's newest one, in one piece.

    Raises:
        UserError: there is no checkpoint, it is broken, or its folder cannot be written to.
    """
    load_config(path)
    file = find(path) / "config.json"
    write_json(file, _sealed(read_json(file) | values))


def trained_objective(config: dict[str, Any]) -> ObjectiveConfig:
    """The objective that a model was trained on, from its checkpoint's config.

    Raises:
        UserError: it is missing or unknown.
    """
    try:
        return from_dict(ObjectiveConfig, config["train_config"]["objective"], "objective.")
    except (KeyError, TypeError) as error:
        raise UserError(f"the checkpoint does not say what it was trained on ({error}); use another") from None


def trained_for(config: dict[str, Any]) -> dict[str, Any]:
    """What `WorldModel` takes beside the model, by name, from a checkpoint's config.

    Raises:
        UserError: it does not name an environment or a discount.
    """
    if not {"env_id", "discount"} <= config.keys():
        raise UserError("the checkpoint does not say what it was trained for (no env_id or no discount); use another")
    objective = config.get("train_config", {}).get("objective", {})  # a checkpoint of one's own may lack it
    return {
        "env_id": config["env_id"],
        "discount": config["discount"],
        "objective": objective.get("name", "nextlat"),
        "trust_horizon": config.get("trust_horizon"),
    }


def load_model(path: str | Path, device: torch.device) -> tuple[NextLat, dict[str, Any]]:
    """The model on `device`, and the checkpoint's config.

    Raises:
        UserError: if the checkpoint is missing or broken.
    """
    config = load_config(path)
    file = find(path) / "model.safetensors"
    try:
        header = read_header(file)
        model = _build(config, header)
        check_header(upgraded_weights(header, config), model.state_dict())
        model.load_state_dict(upgraded_weights(read_tensors(file, config.get("files", {}).get(file.name)), config))
    except _FAULTS as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"{file} is broken or does not fit its config ({reason}); use another checkpoint") from None
    return model.to(device), config


def _build(config: dict[str, Any], header: Header) -> NextLat:
    """The network that a checked config describes, if it is about as large as the weights are."""
    with Allowance(header):
        model = NextLat(saved_config.saved_spaces(config), ModelConfig(**config["model"]))
        if modules := config["training_modules"]:
            attach_training_modules(model, **modules)
    return model


def load_optimizer(path: str | Path, optimizer: Optimizer) -> None:
    """Restore the optimiser's state in place.

    Raises:
        UserError: if it is missing or broken.
    """
    file = find(path) / "optimizer.safetensors"
    if not file.exists():
        raise UserError(f"{path} keeps no optimiser state (an improved policy does not): resume the run it came from")
    config = load_config(path)
    if config.get("weights_format", FORMAT) != FORMAT:
        raise UserError(f"{path} was saved by an older version: it acts and plans, but train anew, without resume=")
    try:
        header = read_header(file)
        check_header(header, optimizer.expected(header, begun=config["step"] > 0))
        optimizer.load_tensors(read_tensors(file, config.get("files", {}).get(file.name)))
    except (OSError, SafetensorError, ValueError) as error:
        raise UserError(f"{file} is broken ({str(error).splitlines()[0]}); the run cannot be resumed") from None


def _steps(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    found = [p for p in folder.iterdir() if _STEP.match(p.name) and (p / "config.json").exists()]
    return sorted(found, key=lambda p: int(_STEP.match(p.name).group(1)))  # type: ignore[union-attr]
