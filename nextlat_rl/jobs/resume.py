"""The settings of a run that goes on: its own, changed by what was typed, as far as a run can change."""

from collections.abc import Mapping, Sequence
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from nextlat_rl.envs import resolve_env_id
from nextlat_rl.errors import UserError
from nextlat_rl.jobs.config import TrainConfig
from nextlat_rl.settings import from_dict
from nextlat_rl.training import checkpoint

# What weights, value bins, optimiser state and data were made with.
_FIXED = ("env", "data", "collect", "model", "objective.name", "objective.discount", "trainer.optimizer", "seed")
_GROUPS = ("model", "objective", "trainer")


def resumed_config(resume: str, typed: Sequence[str]) -> TrainConfig:
    """A run's own settings, changed by the options that were typed.

    Raises:
        UserError: no such run, an option or value that does not exist, or one that a run cannot change.
    """
    saved = checkpoint.load_config(resume)["train_config"]
    merged = OmegaConf.create(saved)
    # Groups first: what is typed of a planner's own settings counts more, wherever it stands.
    for option in sorted(typed, key=lambda option: "." in option.partition("=")[0]):
        name, _, value = option.lstrip("+").partition("=")
        if name in _GROUPS:
            if name == "objective" and value == saved["objective"]["name"]:
                continue
            raise UserError(f"{option} chooses a group of settings, which resume= takes from the run: leave it out")
        if name == "env":
            _check_same_environment(value, saved["env"]["id"])
        elif name in ("planner", "improve"):
            merged[name] = {"name": value}
        else:
            _merge(merged, f"{name}={value}")
    values = OmegaConf.to_container(merged, resolve=False)
    assert isinstance(values, dict)
    wanted = {str(key): value for key, value in values.items()}
    config = from_dict(TrainConfig, wanted | {"resume": resume})
    _check_fixed(saved, wanted)
    return config


def _merge(merged: Any, option: str) -> None:
    try:
        merged.merge_with_dotlist([option])
    except (OmegaConfBaseException, ValueError, TypeError) as error:
        raise UserError(f"'{option}' is no setting of the run: {str(error).splitlines()[0]}") from None


def _check_same_environment(typed: str, saved: str) -> None:
    if typed != saved and resolve_env_id(typed) != resolve_env_id(saved):
        raise UserError(f"env={typed} cannot change when a run is resumed (it is {saved}): leave it out or train anew")


def _check_fixed(saved: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Require that what cannot change is as it was saved; what the run's version did not have yet may be added."""
    for path in _FIXED:
        for name, before, now in _differences(path, _at(saved, path), _at(wanted, path)):
            raise UserError(
                f"{name}={now} cannot change when a run is resumed (it is {before}): leave it out, or train anew "
                "without resume="
            )


def _at(settings: Mapping[str, Any], path: str) -> Any:
    found: Any = settings
    for part in path.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _differences(name: str, before: Any, now: Any) -> list[tuple[str, Any, Any]]:
    """(name, before, now) of all plain values that differ."""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        parts = [_differences(f"{name}.{key}", before.get(key), now[key]) for key in now]
        return [difference for part in parts for difference in part]
    return [] if before == now else [(name, before, now)]
