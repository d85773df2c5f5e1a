"""Hyper-parameters as rl-baselines3-zoo's YAML files write them, for SB3's constructors."""

import ast
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm
from torch import nn

from nextlat_rl.errors import UserError

_ACTIVATIONS = {name: getattr(nn, name) for name in ("ReLU", "Tanh", "ELU", "GELU", "LeakyReLU", "SiLU")}
_SCHEDULED = ("learning_rate", "clip_range", "clip_range_vf")


@dataclass(frozen=True)
class ZooSettings:
    """An entry taken apart.

    Attributes:
        agent: keyword arguments of the algorithm's constructor, `policy` among them.
        n_timesteps: for `learn`; None if the entry does not say.
        n_envs: how many environments side by side.
        normalize: keyword arguments of `VecNormalize`; None for no normalisation.
        env_wrapper: as it stands in the entry; wrappers that shape observations have no place under beliefs.
    """

    agent: dict[str, Any]
    n_timesteps: int | None
    n_envs: int
    normalize: dict[str, Any] | None
    env_wrapper: Any


@dataclass(frozen=True)
class LinearSchedule:
    """Falls linearly from `start` to 0; SB3 calls it with the share of training that is left."""

    start: float

    def __call__(self, progress_remaining: float) -> float:
        """The value at this time."""
        return self.start * progress_remaining


def zoo_settings(algorithm: type[BaseAlgorithm], entry: Mapping[str, Any]) -> ZooSettings:
    """Take an entry of rl-baselines3-zoo's hyper-parameter files apart.

    Strings such as `dict(net_arch=[64], activation_fn=nn.ReLU)` are read as literals, nothing in them is executed.

    Args:
        algorithm: SB3's or sb3-contrib's class.
        entry: what YAML gives for one environment.

    Raises:
        UserError: a key that the algorithm does not have, or a string that is no such literal.
    """
    rest = {name: _value(name, value) for name, value in entry.items()}
    steps, n_envs = rest.pop("n_timesteps", None), rest.pop("n_envs", 1)
    normalize, wrapper = rest.pop("normalize", False), rest.pop("env_wrapper", None)
    known = inspect.signature(algorithm).parameters
    for name, value in rest.items():
        if name not in known or name == "env":
            raise UserError(f"{algorithm.__name__} has no hyper-parameter '{name}': remove it from the entry")
        if known[name].annotation in (int, "int"):
            rest[name] = int(value)  # the zoo writes large numbers as floats
    if isinstance(rest.get("train_freq"), list):
        rest["train_freq"] = tuple(rest["train_freq"])
    if normalize:
        normalize = {"gamma": rest.get("gamma", 0.99)} | (normalize if isinstance(normalize, dict) else {})
    return ZooSettings(rest, None if steps is None else int(steps), int(n_envs), normalize or None, wrapper)


def _value(name: str, value: Any) -> Any:
    """Schedules and literals in place of the strings that stand for them."""
    if isinstance(value, str) and value.startswith("lin_") and name in _SCHEDULED:
        try:
            return LinearSchedule(float(value.removeprefix("lin_")))
        except ValueError:
            raise UserError(f"{name}={value} is no schedule: write lin_ and a number, such as lin_0.001") from None
    if not isinstance(value, str) or not (name.endswith("_kwargs") or (name == "normalize")):
        return value
    try:
        return _literal(ast.parse(value.strip(), mode="eval").body)
    except (SyntaxError, ValueError) as error:
        raise UserError(f"{name}={value} is no dict(...) of plain values: {error}") from None


def _literal(node: ast.expr) -> Any:
    """The value of a literal; `dict(...)` of literals and torch's activations count as such."""
    match node:
        case ast.Call(func=ast.Name(id="dict"), args=[], keywords=keywords) if all(k.arg for k in keywords):
            return {keyword.arg: _literal(keyword.value) for keyword in keywords}
        case ast.List(elts=elements):
            return [_literal(element) for element in elements]
        case ast.Attribute(value=ast.Name(id="nn"), attr=name) if name in _ACTIVATIONS:
            return _ACTIVATIONS[name]
        case _:
            return ast.literal_eval(node)
