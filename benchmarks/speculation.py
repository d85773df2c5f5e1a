"""Speculation measured: imagining with every drafter, and acting ahead of time, each against doing without."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from benchmarks.acting import acting_rows
from benchmarks.imagination import imagination_rows
from benchmarks.main_job import data_in, run_task
from nextlat_rl.config import BenchmarkConfig
from nextlat_rl.runtime import set_threads
from nextlat_rl.world_model import WorldModel

_LARGE = (
    "model=large",
    "trainer.batch_size=12",
    "trainer.steps=400",
    "trainer.dynamics_finetune_steps=60",
    "trainer.learning_rate=0.001",
    "trainer.eval_episodes=64",
)
# Whole texts are drawn here, prompts as well as answers.
_TOKENS = ("planner=none", "objective.prompt_weight=1", "collect.steps=50000")


@dataclass(frozen=True)
class SpeculationTask:
    """What is trained, and how much is measured.

    Attributes:
        env: the environment.
        horizon: longest imagined trajectory; 0 leaves imagination out.
        options: of the main job.
        decisions: on how many acting is measured; 0 leaves it out.

    """

    env: str
    horizon: int = 0
    options: Sequence[str] = ()
    decisions: int = 0


SPECULATION_TASKS = {
    "DoorKey": SpeculationTask("MiniGrid-DoorKey-5x5", 20, decisions=4_000),
    "FourRooms": SpeculationTask("MiniGrid-FourRooms", 50, decisions=3_000),
    "CartPole": SpeculationTask("CartPole-v1", 100, decisions=5_000),
    "Acrobot": SpeculationTask("Acrobot-v1", decisions=3_000),
    "LunarLander": SpeculationTask("LunarLander-v3", decisions=6_000),
    "Pendulum": SpeculationTask("Pendulum-v1", options=("planner=none",), decisions=4_000),
    "Running": SpeculationTask("NextLat/Running-S3-2", 24, _TOKENS),
    "DoorKey-12x384": SpeculationTask("MiniGrid-DoorKey-5x5", 20, _LARGE, decisions=1_500),
    "Running-12x384": SpeculationTask("NextLat/Running-S3-2", 24, (*_LARGE, *_TOKENS)),
}


def speculation_rows(name: str, seed: int, config: BenchmarkConfig, console: Console) -> Iterator[dict[str, Any]]:
    """The main job, then a task's rows as they are measured; one core, as small networks are fastest on."""
    task = SPECULATION_TASKS[name]
    with tempfile.TemporaryDirectory() as folder:
        rows = run_task(name, seed, config, console, task.env, task.options, data_folder=folder)
        yield from rows
        run, deterministic = rows[0]["run"], rows[0]["deterministic"]
        shared = {key: rows[0][key] for key in ("part", "env", "seed", "target", "run", "peak_memory_mb")}
        set_threads(1)
        world_model = WorldModel.load(run, "cpu")
        if task.horizon:
            with data_in(folder):
                imagined = imagination_rows(world_model, run, task.horizon, seed, config.quick, console)
            yield from (shared | row for row in imagined)
    if task.decisions:
        decisions = 40 if config.quick else task.decisions
        for planner in ("none", "auto"):
            acted = acting_rows(world_model, planner, deterministic, decisions, config.quick, console)
            yield from (shared | row for row in acted)
