"""Configs of older checkpoints in today's layout."""

from collections.abc import Mapping
from typing import Any

from nextlat_rl.renamed import RENAMED, RENAMED_VALUES

FORMAT = 3

# Format 2 kept the settings of all planners beside each other; now there are only those of the chosen one.
_PLANNER_SETTINGS = {
    "lookahead": ("rollout", "depth", "width", "value_scale"),
    "gumbel": ("rollout", "num_simulations", "max_considered_actions"),
    "mppi": ("horizon", "num_samples", "num_policy_samples", "iterations", "elites", "temperature"),
}


def upgraded(config: Any) -> dict[str, Any]:
    """A checkpoint's config in format `FORMAT`; the argument is left as it is.

    Args:
        config: what the checkpoint's config.json holds, of format 2 or 3.

    Raises:
        ValueError: another format.
        KeyError, TypeError, AttributeError: not a checkpoint's config at all.
    """
    if config["format"] == FORMAT:
        return dict(config)
    if config["format"] != 2:
        raise ValueError(f"format {config['format']}")
    old = config["model"]
    new = {
        "format": FORMAT,
        "model": {**old["trunk"], "dynamics_width": old["dynamics_width"]},
        "training_modules": {"name": old["baseline"], "horizon": old["horizon"]} if old["baseline"] else None,
    }
    if "train_config" in config:
        new["train_config"] = upgraded_settings(config["train_config"])
    return config | new


def upgraded_settings(old: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a training run in today's layout and names, from those of format 2.

    An environment's section held presets for others, such as env.train_steps for trainer.steps. The sections
    themselves hold the values that were used, so the presets are dropped.
    """
    new: dict[str, Any] = {}
    for name, value in old.items():
        new[name] = _renamed(name, value) if isinstance(value, Mapping) else value
    new["env"] = {"id": old["env"]["id"]}
    new["collect"]["sb3"] = dict(old["env"].get("sb3", {}))
    planner = new["planner"]
    kept = ("name", *_PLANNER_SETTINGS.get(planner["name"], ()))
    new["planner"] = {name: value for name, value in planner.items() if name in kept}
    return new


def _renamed(section: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of one section under today's names, with today's names of their values."""
    new = {}
    for name, value in settings.items():
        option = RENAMED.get(f"{section}.{name}", f"{section}.{name}")
        values = RENAMED_VALUES.get(option, {})
        new[option.rpartition(".")[2]] = values.get(value, value) if isinstance(value, str) else value
    return new
