"""Checks for settings dataclasses, and building them from plain dictionaries."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar, get_args, get_type_hints

from nextlat_rl.errors import UserError

Settings = TypeVar("Settings")


def at_least(section: str, settings: object, minimum: float, *names: str) -> None:
    """Require the named fields to be numbers of at least `minimum`; None passes.

    Args:
        section: what the fields are called in errors, such as `trainer.`; empty for options of a command itself.
        settings: the dataclass.
        minimum: the smallest value allowed.
        names: of the fields.

    Raises:
        UserError: naming the first field that is smaller.

    """
    for name in names:
        value = getattr(settings, name)
        if value is not None and not value >= minimum:
            raise UserError(f"{section}{name}={value} must be at least {minimum:g}")


def above_zero(section: str, settings: object, *names: str) -> None:
    """Require the named fields to be above 0; see `at_least`."""
    for name in names:
        if not getattr(settings, name) > 0:
            raise UserError(f"{section}{name}={getattr(settings, name)} must be above 0")


def share(section: str, settings: object, *names: str) -> None:
    """Require the named fields to lie between 0 and 1; see `at_least`."""
    for name in names:
        if not 0 <= getattr(settings, name) <= 1:
            raise UserError(f"{section}{name}={getattr(settings, name)} must lie between 0 and 1")


def one_of(name: str, value: str, allowed: Iterable[str]) -> None:
    """Require `value` to be among the strings `allowed`.

    Raises:
        UserError: listing what is allowed.

    """
    if value not in (choices := list(allowed)):
        raise UserError(f"{name}={value} is unknown; choose one of: {', '.join(choices)}")


def literals(section: str, settings: Any) -> None:
    """Require every field that is annotated as a Literal to hold one of its values.

    Raises:
        UserError: listing what is allowed.

    """
    hints = get_type_hints(type(settings))
    for field in dataclasses.fields(settings):
        allowed = get_args(hints[field.name])
        if allowed and all(isinstance(value, str) for value in allowed):
            one_of(f"{section}{field.name}", getattr(settings, field.name), allowed)


def from_dict(cls: type[Settings], values: Mapping[str, Any], where: str = "") -> Settings:
    """Build the settings dataclass `cls`, nested ones included; fields that are not named keep their defaults.

    Args:
        cls: a dataclass that validates itself.
        values: by field name.
        where: prefix of option names in errors, such as `trainer.`.

    Raises:
        UserError: an unknown name (the nearest ones are given), or a value that the dataclass refuses.

    """
    hints = get_type_hints(cls)
    names = [field.name for field in dataclasses.fields(cls)]  # type: ignore[arg-type]
    built: dict[str, Any] = {}
    for name, value in values.items():
        if name not in names:
            close = difflib.get_close_matches(name, names, n=3)
            hint = (
                f"did you mean {', '.join(where + other for other in close)}?"
                if close
                else f"known: {', '.join(names)}"
            )
            raise UserError(f"unknown option '{where}{name}'; {hint}")
        nested = dataclasses.is_dataclass(hints[name]) and isinstance(value, Mapping)
        built[name] = from_dict(hints[name], value, f"{where}{name}.") if nested else value
    return cls(**built)
