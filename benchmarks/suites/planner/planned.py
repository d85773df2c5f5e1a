"""The main job, then its checkpoint acting with each planner of the task, and its improved policy."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console

from benchmarks.jobs import TrainJob, data_in, run_command, tell, train
from benchmarks.options import Options
from benchmarks.rows import Row, make_row
from benchmarks.suites.planner.tasks import ARGMAX, PLANNED, PlannedTask
from nextlat_rl.results import provenance

_QUICK = ("improve.steps=5", "improve.beliefs=2000")


def rows(part: str, seed: int, options: Options, console: Console) -> Iterator[Row]:
    """All rows of one task and seed, as they are measured."""
    task = PLANNED[part]
    job = TrainJob("planner", part, task.env, seed, task.options, task.target)
    with tempfile.TemporaryDirectory() as folder:
        trained = train(job, options, console, folder)
        yield from trained
        with data_in(folder):
            for row in _planned(task, trained[0], options):
                tell(row, console)
                yield row


def _planned(task: PlannedTask, trained: Row, options: Options) -> Iterator[Row]:
    """Rows of the checkpoint that the row `trained` is of."""
    run = trained.figure("run")
    same = [f"episodes={8 if options.quick else 500}", f"deterministic={trained.figure('deterministic')}", "json=true"]
    for planner in task.planners:
        (values,) = _printed("evaluate", f"checkpoint={run}", *same, *planner)
        yield _row(trained, values | {"run": run}, _with_settings(values["agent"], planner))
    if task.improve:
        quick = _QUICK if options.quick else ()
        _, values = _printed("improve", f"checkpoint={run}", *same, *task.improve, *quick)
        yield _row(trained, values, "improved policy (trunk)")
        improved = values["run"]
        (values,) = _printed("evaluate", f"checkpoint={improved}", *same, *ARGMAX)
        yield _row(trained, values | {"run": improved}, f"improved {_with_settings(values['agent'], ARGMAX)}")


def _printed(name: str, *arguments: str) -> list[dict[str, Any]]:
    """The rows that a command prints."""
    output, _ = run_command(name, *arguments)
    values: list[dict[str, Any]] = json.loads(output)
    return values


def _row(trained: Row, values: dict[str, Any], agent: str) -> Row:
    """The row of an agent that acts from the checkpoint of `trained`."""
    source = provenance(seed=trained.seed, device=values["device"], cores=values["cores"])
    shared = {name: trained.figure(name) for name in ("target", "command_seconds", "peak_memory_mb")}
    return make_row(trained.suite, trained.part, agent, source, values | shared)


def _with_settings(agent: str, planner: Sequence[str]) -> str:
    """`agent` and the planner's settings that are not its defaults."""
    settings = [option.removeprefix("planner.rollout=").removeprefix("planner.") for option in planner[1:]]
    return " ".join([agent, *settings])
