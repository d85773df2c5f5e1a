"""What the commands share: Hydra with typed configs, one-line errors with exit code 2, any environment id."""

from __future__ import annotations

import difflib
import errno
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import hydra
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException, MissingConfigException
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from nextlat_rl.errors import UserError

Config = TypeVar("Config")
_CONFIGS = Path(__file__).parents[1] / "configs"


def run(command: str, schema: type[Config], body: Callable[[Config, list[str]], None]) -> None:
    """Parse `sys.argv` with Hydra into `schema` and call `body` with it and with the options as they were typed.

    The body runs after Hydra's job (after all of them with `--multirun`), out of reach of Hydra's own error messages.
    Bad input (a `UserError`, or whatever Hydra refuses) prints one line and exits with code 2; Ctrl-C exits with 130.
    """
    os.environ["HYDRA_FULL_ERROR"] = "1"  # let Hydra's own errors reach the handler below
    ConfigStore.instance().store(name=f"{command}_schema", node=schema)
    _store_environments(sys.argv[1:])

    @hydra.main(version_base="1.3", config_path="pkg://nextlat_rl.configs", config_name=command)
    def main(config: DictConfig) -> None:
        jobs.append((OmegaConf.to_object(config), list(HydraConfig.get().overrides.task)))

    jobs: list[tuple[Any, list[str]]] = []
    try:
        if {"--help", "-h"} & set(sys.argv[1:]):
            _print_help(command)
            return
        main()
        for config, typed in jobs:
            body(config, typed)
    except UserError as error:
        _fail(str(error))
    except (HydraException, OmegaConfBaseException) as error:
        _fail(_explain(error, schema))
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        _fail(f"the disk is full ({error.filename or 'while writing'}); free some space and run the same command again")
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)


def _print_help(command: str) -> None:
    """What the command is for, its options with their defaults, and the named settings.

    Hydra's own help looks every group up anew and copies the search path each time: four seconds of five.
    """
    typed = [argument for argument in sys.argv[1:] if "=" in argument]
    with hydra.initialize_config_module("nextlat_rl.configs", version_base="1.3"):
        config = hydra.compose(command, typed, return_hydra_config=True)
    header = config.hydra.help.header
    used = [choice for choice in config.hydra.runtime.choices if not choice.startswith("hydra/")]
    with open_dict(config):
        del config["hydra"]
    print(f"{header}\n\n== Options (name=value) ==\n\n{OmegaConf.to_yaml(config)}")
    print("== Named settings (group=option) ==\n")
    for group in sorted(used):
        print(f"{group}: {', '.join(sorted(p.stem for p in (_CONFIGS / group).glob('*.yaml')))}")
    if "env" in used:
        print("\nEnvironments: env=<any Gymnasium id>; the names above bring defaults of their own.")


def _fail(message: str) -> None:
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(2)


def _store_environments(arguments: list[str]) -> None:
    """Make `env=<any Gymnasium id>` a Hydra option: a node for each id that has no group file of its own.

    An id takes the defaults of the group file that bears its name without its version, or its namespace's name
    (`ALE.yaml` for `ALE/Pong-v5`).
    """
    files = {p.stem for p in (_CONFIGS / "env").glob("*.yaml")}
    for argument in arguments:
        if not argument.startswith("env="):
            continue
        for name in argument.removeprefix("env=").split(","):
            group, _, leaf = f"env/{name}".rpartition("/")
            bases = (re.sub(r"-v\d+$", "", name), name.partition("/")[0])
            defaults = [f"/env/{base}@_here_" for base in bases if base in files and base != name]
            if name not in files and leaf:
                node = {"defaults": [*defaults, "_self_"], "id": name}
                ConfigStore.instance().store(group=group, name=leaf, node=node, package="env")


def _explain(error: Exception, schema: type[Any]) -> str:
    """One line of a Hydra error, with the nearest names where an option is misspelt."""
    cause: BaseException = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    key = re.search(r"Key '([^']+)' (?:is not in struct|not in)", f"{error} {cause}")
    wrong = re.search(r"Could not override '([^']+)'", str(error))
    if key:
        option = wrong.group(1) if wrong else key.group(1)
        names = _options(OmegaConf.structured(schema))
        leaf = option.rsplit(".", 1)[-1]
        close = difflib.get_close_matches(option, names, n=3) or [
            name for name in names if difflib.get_close_matches(leaf, [name.rsplit(".", 1)[-1]], cutoff=0.75)
        ]
        hint = f"did you mean {', '.join(close[:3])}?" if close else "see --help for all of them"
        return f"unknown option '{option}'; {hint}"
    if isinstance(error, MissingConfigException) and error.options:
        return f"there is no '{error.missing_cfg_file}'; choose one of: {', '.join(error.options)}"
    return str(error).split("\n\n")[0].split("\nSet the")[0]


def _options(config: DictConfig, prefix: str = "") -> list[str]:
    names: list[str] = []
    for key in config:
        value, name = config._get_node(key), prefix + str(key)
        names.append(name)
        if isinstance(value, DictConfig) and not value._is_none():
            names.extend(_options(value, f"{name}."))
    return names
