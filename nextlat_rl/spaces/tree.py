"""Nested Dict/Tuple spaces as an ordered dict of leaves, and back."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gymnasium as gym

from nextlat_rl.errors import UserError

ROOT = "observation"
"""Name of the only leaf of a space that is neither a Dict nor a Tuple."""


def leaves(space: gym.Space[Any]) -> dict[str, gym.Space[Any]]:
    """Leaf spaces by their path ("image", "0/velocity"), in the order of the space.

    Raises:
        UserError: two leaves have the same path.
    """
    if not _is_composite(space):
        return {ROOT: space}
    found: dict[str, gym.Space[Any]] = {}
    for key, child in _children(space):
        for path, leaf in _below(str(key), child, leaves(child)):
            if path in found:
                raise UserError(f"two parts of {space} are both called {path!r}: rename a key so that paths differ")
            found[path] = leaf
    return found


def flatten(space: gym.Space[Any], values: Any) -> dict[str, Any]:
    """Values in Minari's layout (nested dict/tuple of arrays `[N, ...]`, list of str for Text) by leaf path.

    Raises:
        UserError: a part of the space is missing in the values.
    """
    return _flatten(space, values, _part)


def flatten_list(space: gym.Space[Any], elements: Sequence[Any]) -> dict[str, list[Any]]:
    """N nested elements of the space as a list of N parts by leaf path.

    Raises:
        UserError: a part of the space is missing in an element.
    """
    return _flatten(space, list(elements), lambda rows, key, space: [_part(row, key, space) for row in rows])


def _flatten(space: gym.Space[Any], values: Any, part: Callable[..., Any]) -> dict[str, Any]:
    if not _is_composite(space):
        return {ROOT: values}
    flat: dict[str, Any] = {}
    for key, child in _children(space):
        flat.update(_below(str(key), child, _flatten(child, part(values, key, space), part)))
    return flat


def unflatten(space: gym.Space[Any], values: Mapping[str, Sequence[Any]]) -> list[Any]:
    """Inverse of `flatten_list`: lists of N parts by leaf path to N nested elements.

    A space without leaves gives no elements, because there is no list whose length counts them.
    """
    if not _is_composite(space):
        return list(values[ROOT])
    keys = [key for key, _ in _children(space)]
    parts = [unflatten(child, _above(str(key), child, values)) for key, child in _children(space)]
    rows = list(zip(*parts, strict=True))
    if isinstance(space, gym.spaces.Tuple):
        return rows
    return [dict(zip(keys, row, strict=True)) for row in rows]


def _is_composite(space: gym.Space[Any]) -> bool:
    return isinstance(space, gym.spaces.Dict | gym.spaces.Tuple)


def _children(space: gym.Space[Any]) -> list[tuple[Any, gym.Space[Any]]]:
    if isinstance(space, gym.spaces.Dict):
        return list(space.spaces.items())
    assert isinstance(space, gym.spaces.Tuple)
    return list(enumerate(space.spaces))


def _part(value: Any, key: Any, space: gym.Space[Any]) -> Any:
    try:
        return value[key]
    except (KeyError, IndexError, TypeError):
        raise UserError(f"a value of {space} has no part {key!r}: record every part of the space") from None


def _below(key: str, child: gym.Space[Any], flat: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """The child's flat values under their paths in the parent."""
    return [(f"{key}/{path}" if _is_composite(child) else key, value) for path, value in flat.items()]


def _above(key: str, child: gym.Space[Any], flat: Mapping[str, Sequence[Any]]) -> dict[str, Sequence[Any]]:
    """The parent's flat values that belong to the child, under their paths in the child."""
    if not _is_composite(child):
        return {ROOT: flat[key]}
    return {path: flat[f"{key}/{path}"] for path in leaves(child)}
