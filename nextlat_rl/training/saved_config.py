"""What a checkpoint's config.json may hold. The file may be anybody's: what is not of its type and range is refused."""

import math
from dataclasses import dataclass, field
from typing import Any

import gymnasium as gym

from nextlat_rl.errors import UserError
from nextlat_rl.models.config import ModelConfig
from nextlat_rl.objectives.config import OBJECTIVES, ObjectiveConfig
from nextlat_rl.settings import at_least, from_dict, share
from nextlat_rl.spaces import leaves
from nextlat_rl.spaces.saved import read_space
from nextlat_rl.training.config import TrainerConfig
from nextlat_rl.types import Spaces

_LARGEST = 2**63  # of a whole number
_MOST_BINS = 4096  # of a reward or a value
_MOST_HEADS = 64  # tokens ahead that a module of training predicts
_PER_NUMBER = ("mean", "std", "change_mean", "change_std", "low", "high")


@dataclass
class SavedConfig:
    """The entries of config.json; those with a default may be left out.

    Attributes:
        format: of the file, see `nextlat_rl.training.upgrade`.
        step: optimiser steps done.
        model, observation_space, action_space, statistics, training_modules: what the network is built from.
        env_id, discount, dataset_id, train_config, improve: what it was trained in, for, on and how.
        trust_horizon: see `nextlat_rl.diagnose`.
        weights_format: of the weights, where they are older.
        left_out: step whose batch was at fault, after a roll-back; see `nextlat_rl.training.trainer`.
        files: size and SHA-256 of the files with the weights, by name.
        seal: SHA-256 of the other entries.

    Raises:
        UserError: a value outside its range.
    """

    format: int
    step: int
    model: ModelConfig
    observation_space: str
    action_space: str
    statistics: dict[str, Any]
    training_modules: dict[str, Any] | None = None
    env_id: str = ""
    discount: float = 0.99
    dataset_id: str = ""
    train_config: dict[str, Any] = field(default_factory=dict)
    improve: dict[str, Any] = field(default_factory=dict)
    trust_horizon: int | None = None
    weights_format: int | None = None
    left_out: int | None = None
    files: dict[str, Any] = field(default_factory=dict)
    seal: str = ""

    def __post_init__(self) -> None:
        at_least("", self, 0, "step", "trust_horizon", "left_out")
        at_least("", self.model, 1, "context")
        share("", self, "discount")


@dataclass
class _TrainedWith:
    """The settings of the training run that commands read; the others are checked when the run is resumed."""

    env: dict[str, Any]
    objective: ObjectiveConfig
    trainer: TrainerConfig
    seed: int
    deterministic: bool

    def __post_init__(self) -> None:
        at_least("train_config.", self, 0, "seed")


def check(config: dict[str, Any]) -> None:
    """Require a config of today's format to hold nothing but what `SavedConfig` names.

    Raises:
        UserError, ValueError, TypeError: an entry is unknown, missing, of another type or outside its range.
    """
    _check_numbers_are_finite({k: v for k, v in config.items() if k not in ("train_config", "improve")})
    _check_nothing_is_filled_in([config.get(name) for name in ("env_id", "dataset_id", "train_config", "improve")])
    from_dict(SavedConfig, config)
    if settings := config.get("train_config"):
        read = {name: value for name, value in settings.items() if name in _TrainedWith.__dataclass_fields__}
        trained = from_dict(_TrainedWith, read, "train_config.")
        if not isinstance(trained.env.get("id"), str):
            raise UserError("train_config.env.id must be a text")
    if modules := config["training_modules"]:
        if modules.keys() != {"name", "horizon"} or modules["horizon"] not in range(1, _MOST_HEADS + 1):
            raise UserError(f"training_modules must have a name and a horizon from 1 to {_MOST_HEADS}")
        OBJECTIVES.check(modules["name"])
    if (files := config.get("files")) and "model.safetensors" not in files:
        raise UserError("files does not name model.safetensors")


def _check_numbers_are_finite(value: Any) -> None:
    if isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            _check_numbers_are_finite(part)
    elif isinstance(value, int | float) and not abs(value) < (_LARGEST if isinstance(value, int) else math.inf):
        raise UserError(f"{str(value)[:40]} is no number to go on with")


def _check_nothing_is_filled_in(value: Any) -> None:
    """Require texts that stay what they are where settings are read, unlike `${oc.env:NAME}`."""
    if isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            _check_nothing_is_filled_in(part)
    elif isinstance(value, str) and "${" in value:
        raise UserError(f"'{value[:40]}' asks to be filled in when it is read; write the value itself")


def saved_spaces(config: dict[str, Any]) -> Spaces:
    """The spaces and statistics that a checked config names.

    Raises:
        UserError, ValueError, TypeError, KeyError: they are broken or do not go together.
    """
    observation, action = read_space(config["observation_space"]), read_space(config["action_space"])
    statistics = config["statistics"]
    if statistics.keys() != {"observation", "action", "reward", "value"}:
        raise UserError("statistics must be of observation, action, reward and value")
    parts = leaves(observation)
    if statistics["observation"].keys() != parts.keys():
        raise UserError(f"statistics of the observation must be of {', '.join(parts)}")
    for name, space in parts.items():
        _check_sizes(space, statistics["observation"][name])
    _check_sizes(action, statistics["action"])
    for name in ("reward", "value"):
        bins = statistics[name].get("bins", len(statistics[name].get("values", [])) or 3)
        if type(bins) is not int or not 1 <= bins <= _MOST_BINS:
            raise UserError(f"statistics of the {name} must have 1 to {_MOST_BINS} bins or values")
    return Spaces(observation, action, statistics)


def _check_sizes(space: gym.Space[Any], statistics: dict[str, Any]) -> None:
    """Require as many means, spreads and bounds as an element of the space has numbers."""
    for name in _PER_NUMBER:
        if (values := statistics.get(name)) is not None:
            if not isinstance(values, list) or len(values) != math.prod(space.shape or ()):
                raise UserError(f"statistics have no {name} for each number of {space}")
            if any(isinstance(value, bool) or not isinstance(value, int | float) for value in values):
                raise UserError(f"statistics have a {name} that is no number")
            if name.endswith("std") and min(values) < 0:
                raise UserError(f"statistics have a {name} below 0")
