"""What the commands share: Hydra with typed settings, one-line errors with exit code 2, `--help`."""

import os
import sys
import traceback
from collections.abc import Callable
from contextlib import nullcontext
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from nextlat_rl.cli.help import print_help
from nextlat_rl.console import print_result, result_alone_on_stdout, result_kept
from nextlat_rl.durable import UNWRITABLE, cannot_write
from nextlat_rl.envs.timeout import on_hang
from nextlat_rl.errors import UserError
from nextlat_rl.jobs.compose import HYDRA_ERRORS, explain, prepare, to_settings
from nextlat_rl.notices import print_warnings_in_one_line, reason
from nextlat_rl.signals import exit_code, sigterm_raises
from nextlat_rl.torchrun import follows, launched

Settings = TypeVar("Settings")
Job = tuple[DictConfig, list[str]]


def run(
    command: str,
    cls: type[Settings],
    body: Callable[[Settings, list[str]], None],
    follow: Callable[[], None] | None = None,
) -> None:
    """Parse `sys.argv` with Hydra into `cls` and call `body` with it and with the options as they were typed.

    The body runs after Hydra's job (after all of them with `--multirun`, see `_work_on_all`), out of reach of Hydra's
    own error messages.
    Bad input (a `UserError`, or whatever Hydra refuses) prints one line and exits with code 2; Ctrl-C exits with 130,
    SIGTERM with 143 within 5 s. Under torchrun the main process alone does this, and the others call `follow`.
    """
    print_warnings_in_one_line()
    try:
        if launched():
            _check_torchrun(command, follow)
        if follow is not None and follows():
            with sigterm_raises():
                follow()
            return
        sys.argv[1:] = prepare(command, cls, sys.argv[1:])
        if {"--help", "-h"} & set(sys.argv[1:]):
            print_help(command, cls)
            return
        with sigterm_raises(), on_hang(_end):
            _work(command, cls, body)
    except KeyboardInterrupt as error:
        if not follows():
            print("interrupted", file=sys.stderr)
        sys.exit(exit_code(error))
    except Exception as error:
        if (line := _refusal(error, cls)) is None:
            raise
        _fail(line)


def _work(command: str, cls: type[Settings], body: Callable[[Settings, list[str]], None]) -> None:
    """Let Hydra read `sys.argv`, and do the job, or all of them with `--multirun`."""
    os.environ["HYDRA_FULL_ERROR"] = "1"  # let Hydra's own errors reach `run`
    jobs: list[Job] = []

    def work(config: DictConfig, typed: list[str]) -> None:
        settings = to_settings(config, cls)
        with result_alone_on_stdout() if getattr(settings, "json", False) else nullcontext():
            body(settings, typed)

    @hydra.main(version_base="1.3", config_path="pkg://nextlat_rl.configs", config_name=command)
    def main(config: DictConfig) -> None:
        jobs.append((config, list(HydraConfig.get().overrides.task)))

    if not {"--multirun", "-m"} & set(sys.argv[1:]):
        main()
        work(*jobs[0])
        return
    with TemporaryDirectory() as folder:  # Hydra writes there what nobody reads
        sys.argv.append(f"hydra.sweep.dir={folder}")
        main()
    _work_on_all(jobs, work, lambda error: _refusal(error, cls))


def _refusal(error: Exception, cls: type) -> str | None:
    """What a user has to know, in one line; None for an error of ours."""
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, HYDRA_ERRORS):
        return explain(error, cls)
    if isinstance(error, OSError) and error.errno in UNWRITABLE:
        return str(cannot_write(error.filename or "a file", error))
    return None


def _work_on_all(jobs: list[Job], work: Callable[..., None], refusal: Callable[[Exception], str | None]) -> None:
    """Do all jobs, also after one that fails; then a line for each on stderr, and with json=true one JSON document.

    The document is a list of objects: `options`, and `result` or `error`. The exit code is 2 if any job failed.
    """
    found: list[dict[str, Any]] = []
    for config, typed in jobs:
        print(f"job {len(found) + 1} of {len(jobs)}: {' '.join(typed)}", file=sys.stderr, flush=True)
        job: dict[str, Any] = {"options": typed}
        with result_kept() as results:
            try:
                work(config, typed)
                job["result"] = results[0] if results else None
            except Exception as error:
                if (line := refusal(error)) is None:
                    line = f"{reason(error)} (a fault of this program)"
                    traceback.print_exception(error)
                job["error"] = line
                print(f"error: {line}", file=sys.stderr, flush=True)
        found.append(job)
    for number, job in enumerate(found, 1):
        ended = f"failed: {job['error']}" if "error" in job else "done"
        print(f"job {number} ({' '.join(job['options'])}): {ended}", file=sys.stderr, flush=True)
    if any(config.get("json") for config, _ in jobs):
        print_result(found)
    if any("error" in job for job in found):
        sys.exit(2)


def _end(message: str) -> None:
    """End the process in spite of code that does not."""
    print(f"error: {message}; complete data sets and checkpoints are kept", file=sys.stderr, flush=True)
    os._exit(2)


def _check_torchrun(command: str, follow: Callable[[], None] | None) -> None:
    """Require a command that several processes can do together; one of them says so."""
    if follow is None and follows():
        sys.exit(2)
    if follow is None:
        raise UserError(f"{command} runs in one process: start it without torchrun")


def _fail(message: str) -> None:
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(2)
