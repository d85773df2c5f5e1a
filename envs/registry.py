"""From the name that a user types to the id of a registered environment."""

import difflib
import importlib
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

import gymnasium as gym
from gymnasium.envs.registration import find_highest_version, get_env_id, parse_env_id

from nextlat_rl.env_ids import join_env_id, split_env_id
from nextlat_rl.errors import UserError
from nextlat_rl.notices import reason

_PACKAGES = {"MiniGrid-": "minigrid", "BabyAI-": "minigrid", "ALE/": "ale_py"}  # which register environments on import


def resolve_env_id(name: str, kwargs: Mapping[str, Any] | None = None) -> str:
    """Full id of the environment called `name`; the version may be left out and is then the newest registered one.

    `module:Name-v0` imports `module` first, as `gymnasium.make` does, and keeps the prefix. Arguments behind the name
    and `kwargs`, which count more, stand behind the full id, see `nextlat_rl.env_ids`.

    Raises:
        UserError: the environment is unknown (close names are given) or its package is not installed.
    """
    name, own = split_env_id(name)
    module, _, bare = name.rpartition(":")
    if module:
        _import_module(module, name)
    else:
        _register_package_of(bare)
    try:
        namespace, stem, version = parse_env_id(bare)
    except gym.error.Error:
        raise _unknown(name) from None
    if version is None and bare not in gym.registry:
        version = find_highest_version(namespace, stem)
    full = get_env_id(namespace, stem, version)
    if full not in gym.registry:
        raise _unknown(name)
    return join_env_id(f"{module}:{full}" if module else full, {**own, **(kwargs or {})})


def saved_env_id(saved: str, typed: str = "", kwargs: Mapping[str, Any] | None = None) -> str:
    """Full id of the environment that was typed, or else of the one that a file names; `kwargs` as in `resolve_env_id`.

    Importing a module runs its code. What is typed is consent, what a file says is not: of a file's `module:Name-v0`
    the module must have been imported before.

    Raises:
        UserError: see `resolve_env_id`; or the file names a module, and nobody asked for it.
    """
    name = split_env_id(saved)[0]
    module = name.rpartition(":")[0]
    if not typed and module and module not in sys.modules:
        raise UserError(
            f"the environment '{saved}' that the file names is code of the module '{module}', which is imported only "
            f"if you ask for it: add env={name}, or import it in Python first, if you trust it"
        )
    return resolve_env_id(typed or saved, kwargs)


def _import_module(module: str, name: str) -> None:
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise UserError(
            f"environment '{name}': no module named '{error.name}'; install it or drop the prefix"
        ) from None
    except Exception as error:  # a module of the user's raises anything
        raise UserError(f"environment '{name}': module '{module}' cannot be imported: {reason(error)}") from error


def _register_package_of(name: str) -> None:
    if name.startswith("NextLat/"):
        importlib.import_module("nextlat_rl.envs.paper.files").register_file(name)
    for prefix, package in _PACKAGES.items():
        if name.startswith(prefix):
            if find_spec(package) is None:
                raise UserError(f"environment '{name}' needs ale-py; run: pip install 'nextlat_rl[atari]'")
            gym.register_envs(importlib.import_module(package))


def _unknown(name: str) -> UserError:
    gym.register_envs(importlib.import_module("minigrid"))
    files = importlib.import_module("nextlat_rl.envs.paper.files").files_for(name)
    # Compare case-insensitively and without the version: "cartpole" must find "CartPole-v1".
    by_stem: dict[str, str] = {}
    for env_id in gym.registry:
        namespace, stem, _ = parse_env_id(env_id)
        by_stem[get_env_id(namespace, stem, None).lower()] = env_id
    wanted = name.lower().rsplit("-v", 1)[0]
    close = [by_stem[stem] for stem in difflib.get_close_matches(wanted, by_stem, n=3, cutoff=0.5)]
    hint = f"close names: {', '.join(close)}" if close else "no registered name is close to it"
    hint += (
        f"; there is no {' or '.join(files)} in this folder"
        if files
        else f"; for one of your own write env=module:{name}"
    )
    return UserError(f"unknown environment '{name}'; {hint}")
