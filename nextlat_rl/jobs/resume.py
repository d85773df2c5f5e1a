"""The settings of a run that goes on: its own, changed by what was typed, as far as a run can change."""

from collections.abc import Mapping, Sequence
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from nextlat_rl.data.minari_io import exists
from nextlat_rl.envs import resolve_env_id, saved_env_id
from nextlat_rl.errors import UserError
from nextlat_rl.jobs.collection import default_dataset_id
from nextlat_rl.jobs.config import TrainConfig
from nextlat_rl.settings import from_dict
from nextlat_rl.training import checkpoint

# What weights, value bins, optimiser state and data were made with.
_MADE_WITH = ("model", "objective.name", "objective.discount", "trainer.optimizer", "seed")
_FIXED = ("env.id", "env.kwargs", "data", "collect", *_MADE_WITH)
_GROUPS = ("model", "objective", "trainer")


def resumed_config(resume: str, typed: Sequence[str]) -> TrainConfig:
    """A run's own settings, changed by the options that were typed.

    `env=` must be the run's own; it is needed where that is code of a module, see `saved_env_id`.

    Raises:
        UserError: no such run; an option or value that does not exist, or one that a run cannot change; settings of the
            run that would run code which nobody asked for.
    """
    file = checkpoint.load_config(resume)
    saved = file.get("train_config")
    if not saved:
        raise UserError(f"'{resume}' does not say how it was trained: it cannot be resumed, give another run")
    names = [option.partition("=")[2] for option in typed if option.partition("=")[0] in ("env", "env.id")]
    env_id = saved_env_id(saved["env"]["id"], names[-1] if names else "")
    values = dict(saved) | {"rounds": 1}  # a resumed run is one round
    # Groups first: what is typed of a planner's own settings counts more, wherever it stands.
    for option in sorted(typed, key=lambda option: "." in option.partition("=")[0]):
        name, _, value = option.partition("=")
        if name in _GROUPS:
            if name == "objective" and value == saved["objective"]["name"]:
                continue
            raise UserError(f"{option} chooses a group of settings, which resume= takes from the run: leave it out")
        if name in ("env", "env.id"):
            _check_same_environment(value, saved["env"]["id"])
        elif name in ("planner", "improve"):
            values[name] = {"name": value}
        else:
            values = _merged(values, _typed(option))
    config = from_dict(TrainConfig, values | {"resume": resume})
    _check_fixed(saved, values)
    _refuse_saved_policy(config, env_id, typed)
    return config


def _typed(option: str) -> dict[str, Any]:
    """One option as nested settings."""
    try:
        settings = OmegaConf.to_container(OmegaConf.from_dotlist([option]), resolve=True)
    except (OmegaConfBaseException, ValueError, TypeError) as error:
        raise UserError(f"'{option}' is no setting of the run: {str(error).splitlines()[0]}") from None
    assert isinstance(settings, dict)
    return {str(name): value for name, value in settings.items()}


def _merged(settings: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with changes at any depth; the settings are plain values, nothing in them is filled in."""
    new = dict(settings)
    for name, value in changes.items():
        both = isinstance(value, dict) and isinstance(new.get(name), dict)
        new[name] = _merged(new[name], value) if both else value
    return new


def _check_same_environment(typed: str, saved: str) -> None:
    if typed != saved and resolve_env_id(typed) != resolve_env_id(saved):
        raise UserError(f"env={typed} cannot change when a run is resumed (it is {saved}): leave it out or train anew")


def _refuse_saved_policy(config: TrainConfig, env_id: str, typed: Sequence[str]) -> None:
    """Gather anew with a policy of Stable-Baselines3 only if it was typed: loading one runs code that it contains."""
    behaviour = config.collect.behaviour
    named = any(option.partition("=")[0] == "collect.behaviour" for option in typed)
    if named or config.data != "auto" or "sb3:" not in behaviour:
        return
    if not exists(default_dataset_id(env_id, config.collect)):
        raise UserError(
            f"the data of '{config.resume}' are gone, and gathering them again would load a policy that can run code: "
            f"add collect.behaviour={behaviour} if you trust it"
        )


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
