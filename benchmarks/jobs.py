"""The library's own commands, run in processes of their own as a user would run them, and their rows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from rich.console import Console

from benchmarks.memory import PeakMemory
from benchmarks.options import Options
from benchmarks.rows import Row, make_row
from nextlat_rl.errors import UserError
from nextlat_rl.results import provenance

_QUICK = ("trainer=smoke", "trainer.steps=30", "collect.steps=3000", "improve.steps=5", "improve.beliefs=2000")


@dataclass(frozen=True)
class TrainJob:
    """What `python -m nextlat_rl.train` is to do for one part and seed.

    Attributes:
        suite: of the rows.
        part: of the rows.
        env: Gymnasium id.
        seed: of the data, the weights and the batches.
        options: more options of the command.
        target: return that the policy should reach, if there is one.
        rename: the agents' names in the rows.

    """

    suite: str
    part: str
    env: str
    seed: int
    options: Sequence[str] = ()
    target: float | None = None
    rename: Callable[[str], str] = str


def train(job: TrainJob, options: Options, console: Console, data_folder: str | None = None) -> list[Row]:
    """Collect data, train and evaluate from an empty cache; a row for each agent.

    Args:
        job: what to train.
        options: where runs go, and whether this is a smoke test.
        console: told what is going on.
        data_folder: where the data set and its flat copy go, if they are to be kept.

    Raises:
        UserError: the command failed.

    """
    arguments = [f"env={job.env}", f"seed={job.seed}", f"runs={options.runs}", f"name=benchmark-{job.seed}"]
    # Every training seed collects its own data.
    arguments += [f"collect.seed={job.seed * 1_000_000}", *job.options, *(_QUICK if options.quick else ())]
    console.print(f"[bold]{job.part}[/bold], seed {job.seed}: train {' '.join(arguments)}", highlight=False)
    with tempfile.TemporaryDirectory() as scratch:
        started = time.monotonic()
        output, peak = run_command("train", *arguments, "json=true", folder=data_folder or scratch)
        seconds = time.monotonic() - started
    values: list[dict[str, Any]] = json.loads(output)
    shared: dict[str, Any] = {"command_seconds": seconds, "peak_memory_mb": peak, "target": job.target}
    source = provenance(seed=job.seed, device=values[0]["device"], cores=values[0]["cores"])
    rows = [
        make_row(job.suite, job.part, job.rename(value["agent"]), source, value | _given(shared)) for value in values
    ]
    for row in rows:
        tell(row, console)
    return rows


def run_command(name: str, *arguments: str, folder: str | None = None) -> tuple[str, float]:
    """Run `python -m nextlat_rl.<name>`; what it prints, and its peak memory in MB.

    Args:
        name: of the command.
        arguments: its options.
        folder: of data sets and their flat copies; None keeps those of this process.

    Raises:
        UserError: it failed.

    """
    command = [sys.executable, "-m", f"nextlat_rl.{name}", *arguments]
    environment = os.environ | (_folders(folder) if folder else {})
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    memory = PeakMemory(process.pid)
    output, _ = process.communicate()
    peak = memory.stop()
    if process.returncode != 0:
        shown = " ".join(command[1:])
        raise UserError(f"python {shown} failed with exit code {process.returncode}; see its message above")
    return output, peak


def tell(row: Row, console: Console) -> None:
    """Print what an agent reached."""
    took = f", {row.ms_per_decision:.2f} ms a decision" if row.ms_per_decision is not None else ""
    console.print(
        f"  {row.agent}, seed {row.seed}: return {row.return_mean:.3f} [{row.return_ci_low:.3f}, "
        f"{row.return_ci_high:.3f}]{took}",
        highlight=False,
    )


@contextmanager
def data_in(folder: str) -> Iterator[None]:
    """Data sets and their flat copies live in `folder`."""
    wanted = _folders(folder)
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    threads = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _folders(folder: str) -> dict[str, str]:
    return {"MINARI_DATASETS_PATH": f"{folder}/minari", "NEXTLAT_CACHE": f"{folder}/cache"}


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
