"""Spaces from files."""

import json
import math
from typing import Any

import gymnasium as gym
import numpy as np
from minari.serialization import deserialize_space

_LARGEST = 2**31  # classes of a category
_MOST_BITS = 2**22  # of a MultiBinary, whose size is written as a number


def read_space(text: Any) -> gym.Space[Any]:
    """The space that Minari's `serialize_space` wrote as `text`, checked before anything of its size is allocated.

    Raises:
        ValueError: it is none.
    """
    try:
        description = json.loads(text)
        _check(description)
        return deserialize_space(description)
    except (ValueError, TypeError, KeyError, AssertionError, OverflowError, RuntimeError) as error:  # a file's faults
        raise ValueError(f"a space is broken ({type(error).__name__}: {error})") from None


def _check(space: dict[str, Any]) -> None:
    """Require the description of a space to hold as much as it says, in types that Gymnasium has."""
    kind = space["type"]
    if kind in ("Dict", "Tuple"):
        parts = space["subspaces"]
        for part in parts.values() if kind == "Dict" else parts:
            _check(part)
    elif kind in _CHECKS:
        _CHECKS[kind](space)
    else:
        raise ValueError(f"there is no space of type {kind}")


def _check_box(space: dict[str, Any]) -> None:
    low, high = (np.asarray(space[name], dtype=np.float64) for name in ("low", "high"))
    fits = low.shape == high.shape == tuple(space["shape"])
    if not fits or not (low <= high).all() or np.dtype(space["dtype"]).kind not in "biuf":
        raise ValueError(f"a Box of shape {space['shape']} has other bounds")


def _check_discrete(space: dict[str, Any]) -> None:
    _whole(space["n"], 1, _LARGEST)
    _whole(space["start"], -(2**62), 2**62)


def _check_multi_discrete(space: dict[str, Any]) -> None:
    counts = np.asarray(space["nvec"])
    if counts.dtype.kind not in "iu" or counts.size == 0 or counts.min() < 1 or counts.sum() > _LARGEST:
        raise ValueError("a MultiDiscrete has counts that are not whole numbers from 1 on")
    if np.dtype(space["dtype"]).kind not in "iu":
        raise ValueError(f"a MultiDiscrete is of {space['dtype']}")


def _check_multi_binary(space: dict[str, Any]) -> None:
    sizes = space["n"] if isinstance(space["n"], list) else [space["n"]]
    for size in sizes:
        _whole(size, 1, _MOST_BITS)
    _whole(math.prod(sizes), 1, _MOST_BITS)


def _check_text(space: dict[str, Any]) -> None:
    _whole(space["min_length"], 0, _LARGEST)
    _whole(space["max_length"], 1, _LARGEST)
    if not isinstance(space["charset"], str) or not space["charset"]:
        raise ValueError("a Text has no charset")


_CHECKS = {
    "Box": _check_box,
    "Discrete": _check_discrete,
    "MultiDiscrete": _check_multi_discrete,
    "MultiBinary": _check_multi_binary,
    "Text": _check_text,
}


def _whole(value: Any, low: int, high: int) -> None:
    if type(value) is not int or not low <= value <= high:
        raise ValueError(f"{value!r} is no whole number from {low} to {high}")
