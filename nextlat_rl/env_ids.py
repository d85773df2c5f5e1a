"""An environment's full id: what Gymnasium calls it, and behind that the arguments of `gymnasium.make` as JSON.

`FrozenLake-v1{"map_name": "8x8"}` is one text, so data sets, checkpoints and result rows say all of it in one place.
"""

import json
from collections.abc import Mapping
from typing import Any

from nextlat_rl.errors import UserError


def split_env_id(env_id: str) -> tuple[str, dict[str, Any]]:
    """Gymnasium's id and the arguments.

    Raises:
        UserError: what follows the first brace is no JSON object.
    """
    name, brace, rest = env_id.partition("{")
    try:
        return name, json.loads(brace + rest) if brace else {}
    except json.JSONDecodeError as error:
        raise UserError(f"environment '{env_id}': the arguments are no JSON object ({error}); use env.kwargs") from None


def env_options(env_id: str) -> str:
    """The options that name the environment on the command line."""
    name, kwargs = split_env_id(env_id)
    return " ".join([f"env={name}", *(f"env.kwargs.{key}={json.dumps(value)}" for key, value in kwargs.items())])


def join_env_id(name: str, kwargs: Mapping[str, Any]) -> str:
    """The inverse of `split_env_id`; sorted, so equal arguments give equal ids.

    Raises:
        UserError: an argument that JSON cannot hold.
    """
    try:
        return name + (json.dumps(dict(kwargs), sort_keys=True) if kwargs else "")
    except TypeError as error:
        raise UserError(f"env.kwargs of '{name}' must be numbers, texts, lists or dicts: {error}") from None
