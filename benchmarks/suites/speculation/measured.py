"""The main job of a part, then imagination and acting from its checkpoint, on one core."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import Any

from rich.console import Console

from benchmarks.jobs import TrainJob, data_in, train
from benchmarks.options import Options
from benchmarks.rows import Row, make_row
from benchmarks.suites.speculation import acted, imagined
from benchmarks.suites.speculation.tasks import TASKS
from nextlat_rl import WorldModel
from nextlat_rl.results import provenance
from nextlat_rl.runtime import set_threads


def rows(part: str, seed: int, options: Options, console: Console) -> Iterator[Row]:
    """All rows of one task and seed, as they are measured."""
    task = TASKS[part]

    def made(values: dict[str, Any]) -> Row:
        source = provenance(seed=seed, device="cpu", cores=1)
        shared = {"env": trained[0].env, "run": trained[0].figure("run")}
        return make_row("speculation", part, values["agent"], source, values | shared)

    with tempfile.TemporaryDirectory() as folder:
        trained = train(TrainJob("speculation", part, task.env, seed, task.options), options, console, folder)
        yield from trained
        set_threads(1)  # small networks are fastest on one core
        world_model = WorldModel.load(trained[0].figure("run"), "cpu")
        if task.horizon:
            with data_in(folder):
                found = imagined.rows(world_model, trained[0].figure("run"), task.horizon, seed, options.quick, console)
            yield from map(made, found)
    if task.decisions:
        decisions = 40 if options.quick else task.decisions
        for planner in ("none", "auto"):
            deterministic = trained[0].figure("deterministic")
            found = acted.rows(world_model, planner, deterministic, decisions, options.quick, console)
            yield from map(made, found)
