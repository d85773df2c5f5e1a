"""What the commands share: Hydra with typed settings, one-line errors with exit code 2, `--help`."""

import errno
import os
import sys
from collections.abc import Callable
from contextlib import nullcontext
from typing import TypeVar

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf, open_dict

from nextlat_rl.agents.planning.config import PLANNERS
from nextlat_rl.console import result_alone_on_stdout
from nextlat_rl.envs.mixture import BEHAVIOURS
from nextlat_rl.errors import UserError
from nextlat_rl.jobs.compose import CONFIGS, HYDRA_ERRORS, explain, prepare, to_settings
from nextlat_rl.notices import print_warnings_in_one_line
from nextlat_rl.signals import exit_code, sigterm_raises
from nextlat_rl.torchrun import follows, launched

Settings = TypeVar("Settings")


def run(
    command: str,
    cls: type[Settings],
    body: Callable[[Settings, list[str]], None],
    follow: Callable[[], None] | None = None,
) -> None:
    """Parse `sys.argv` with Hydra into `cls` and call `body` with it and with the options as they were typed.

    The body runs after Hydra's job (after all of them with `--multirun`), out of reach of Hydra's own error messages.
    Bad input (a `UserError`, or whatever Hydra refuses) prints one line and exits with code 2; Ctrl-C exits with 130,
    SIGTERM with 143 within 5 s. Under torchrun the main process alone does this, and the others call `follow`.
    """
    print_warnings_in_one_line()
    os.environ["HYDRA_FULL_ERROR"] = "1"  # let Hydra's own errors reach the handler below
    jobs: list[tuple[DictConfig, list[str]]] = []

    @hydra.main(version_base="1.3", config_path="pkg://nextlat_rl.configs", config_name=command)
    def main(config: DictConfig) -> None:
        jobs.append((config, list(HydraConfig.get().overrides.task)))

    try:
        if launched():
            _check_torchrun(command, follow)
        if follow is not None and follows():
            with sigterm_raises():
                follow()
            return
        sys.argv[1:] = prepare(command, cls, sys.argv[1:])
        if {"--help", "-h"} & set(sys.argv[1:]):
            _print_help(command)
            return
        with sigterm_raises():
            main()
            for config, typed in jobs:
                settings = to_settings(config, cls)
                with result_alone_on_stdout() if getattr(settings, "json", False) else nullcontext():
                    body(settings, typed)
    except UserError as error:
        _fail(str(error))
    except HYDRA_ERRORS as error:
        _fail(explain(error, cls))
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        _fail(f"the disk is full ({error.filename or 'while writing'}); free some space and run the same command again")
    except KeyboardInterrupt as error:
        if not follows():
            print("interrupted", file=sys.stderr)
        sys.exit(exit_code(error))


def _check_torchrun(command: str, follow: Callable[[], None] | None) -> None:
    """Require a command that several processes can do together; one of them says so."""
    if follow is None and follows():
        sys.exit(2)
    if follow is None:
        raise UserError(f"{command} runs in one process: start it without torchrun")


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
    if used:
        print("== Named settings (group=option) ==\n")
    for group in sorted(used):
        print(f"{group}: {', '.join(_group_options(group))}")
    if "planner" in used:
        print("\nA planner's own options are shown with --help planner=<name>.")
    if "behaviour" in config or "collect" in config:
        print(f"\nBehaviours that gather: {', '.join(BEHAVIOURS.names())}, or a mixture such as expert:0.1+random:0.9")
    if "env" in config:
        print("\nEnvironments: env=<any Gymnasium id>; the named ones bring defaults of their own.")


def _group_options(group: str) -> list[str]:
    if group == "planner":
        return ["none", "auto", *PLANNERS.names()]
    return sorted(path.stem for path in (CONFIGS / group).glob("*.yaml"))


def _fail(message: str) -> None:
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(2)
