"""Configs of older checkpoints in today's layout."""

from collections.abc import Mapping
from typing import Any, TypeVar

from nextlat_rl.renamed import RENAMED, RENAMED_VALUES

FORMAT = 4
Weight = TypeVar("Weight")

_GONE = (
    "trainer.follow_learning_rate",
    "trainer.follow_batch_size",
    "trainer.dynamics_finetune_learning_rate",
    "trainer.dynamics_finetune_batch_size",
)
_NORMS = {"dynamics_net": "input_norm", "after_net": "after_norm"}
# Format 2 kept the settings of all planners beside each other; now there are only those of the chosen one.
_PLANNER_SETTINGS = {
    "lookahead": ("rollout", "depth", "width", "value_scale"),
    "gumbel": ("rollout", "num_simulations", "max_considered_actions"),
    "mppi": ("horizon", "num_samples", "num_policy_samples", "iterations", "elites", "temperature"),
}


def upgraded(config: Any) -> dict[str, Any]:
    """A checkpoint's config in format `FORMAT`; the argument is left as it is.

    Args:
        config: what the checkpoint's config.json holds, of format 2, 3 or 4.

    Raises:
        ValueError: another format.
        KeyError, TypeError, AttributeError: not a checkpoint's config at all.
    """
    if config["format"] not in (2, 3, FORMAT):
        raise ValueError(f"format {config['format']}")
    new = dict(config) if config["format"] != 2 else _from_2(config)
    if "train_config" in new:
        sections = new["train_config"].items()
        new["train_config"] = {k: _renamed(k, v) if isinstance(v, Mapping) else v for k, v in sections}
    if config["format"] == FORMAT:
        return new
    # Before format 4 the parts of an answer were independent, and beliefs were also rolled out without observations.
    new["format"], new["weights_format"] = FORMAT, 3
    new["model"] = {**new["model"], "answer": "product"}
    if "train_config" in new:
        new["train_config"]["model"] = {**new["train_config"]["model"], "answer": "product"}
    return new


def upgraded_weights(weights: Mapping[str, Weight], config: Mapping[str, Any]) -> dict[str, Weight]:
    """A checkpoint's weights, or their shapes, under today's names; its config, by `upgraded`, tells those it has."""
    if config.get("weights_format", FORMAT) == FORMAT:
        return dict(weights)
    # The norm at the head of two networks has a name of its own now; the vector of open-loop roll-outs is gone.
    new = {}
    for name, weight in weights.items():
        network, _, rest = name.partition(".")
        if network in _NORMS:
            number, _, kind = rest.partition(".")
            name = f"{_NORMS[network]}.{kind}" if number == "0" else f"{network}.{int(number) - 1}.{kind}"
        if name != "unseen":
            new[name] = weight
    return new


def _from_2(config: Mapping[str, Any]) -> dict[str, Any]:
    """The config of a checkpoint of format 2 in format 3."""
    old = config["model"]
    new = {
        "model": {**old["trunk"], "dynamics_width": old["dynamics_width"]},
        "training_modules": {"name": old["baseline"], "horizon": old["horizon"]} if old["baseline"] else None,
    }
    if "train_config" in config:
        new["train_config"] = upgraded_settings(config["train_config"])
    return {**config, **new}


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
        if f"{section}.{name}" in _GONE:
            continue
        option = RENAMED.get(f"{section}.{name}", f"{section}.{name}")
        values = RENAMED_VALUES.get(option, {})
        new[option.rpartition(".")[2]] = values.get(value, value) if isinstance(value, str) else value
    return new
