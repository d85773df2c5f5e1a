"""Checks for settings dataclasses, and building them from plain dictionaries."""

import dataclasses
import difflib
from collections.abc import Iterable, Mapping
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from nextlat_rl.errors import UserError

Settings = TypeVar("Settings")
_LONGEST_NAME = 150  # bytes, with what is put around it; file systems take 255


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


def path_component(name: str, value: str) -> None:
    """Require a text that is, as a part of a file's name, a name and no path.

    Raises:
        UserError: it names another folder, or is longer than file systems take.
    """
    if not value.isprintable() or set(value) & set("/\\") or len(value.encode()) > _LONGEST_NAME:
        raise UserError(f"{name}={value[:40]!r} must be a name of at most {_LONGEST_NAME} bytes without / and \\")


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
            raise UserError(f"unknown option '{where}{name}'; {_hint(name, names, where)}")
        hint, option = hints[name], f"{where}{name}"
        if isinstance(value, Mapping) and hasattr(hint, "from_settings"):
            built[name] = hint.from_settings(value)
        elif isinstance(value, Mapping) and dataclasses.is_dataclass(hint):
            built[name] = from_dict(hint, value, f"{option}.")  # type: ignore[arg-type]
        elif dataclasses.is_dataclass(hint) and not isinstance(value, hint):  # type: ignore[arg-type]
            raise UserError(f"{option}={value} must be settings by name")
        else:
            _check_type(option, value, hint)
            built[name] = value
    return cls(**built)


def _hint(name: str, names: list[str], where: str) -> str:
    close = [where + other for other in difflib.get_close_matches(name, names, n=3)]
    return f"did you mean {', '.join(close)}?" if close else f"choose one of: {', '.join(names) or 'none'}"


_KINDS: dict[Any, tuple[tuple[type, ...], str]] = {
    bool: ((bool,), "true or false"),
    int: ((int,), "a whole number"),
    float: ((int, float), "a number"),
    str: ((str,), "a text"),
    dict: ((dict,), "settings by name"),
}


def _check_type(option: str, value: Any, hint: Any) -> None:
    """Require `value` to be of the plain type that the annotation `hint` asks for; other annotations pass."""
    parts = [get_origin(part) or part for part in (get_args(hint) if isinstance(hint, UnionType) else (hint,))]
    allowed = [part for part in parts if isinstance(part, type) and part in _KINDS]
    if not allowed or (value is None and type(None) in parts):
        return
    types, kind = _KINDS[allowed[0]]
    if not isinstance(value, types) or (isinstance(value, bool) and allowed[0] is not bool):
        raise UserError(f"{option}={value} must be {kind}")
