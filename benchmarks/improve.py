"""From poor data to a good agent: cloning, advantage weights, the planner, and improvement in imagination, compared.

The data are nine random episodes to one of an expert. Cloning (a run of its own, without advantage weights) is the
baseline; the second run weights by advantage, improves the policy in imagination, and scores both with and without
the look-ahead.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from benchmarks.main_job import run_task
from nextlat_rl.config import BenchmarkConfig


@dataclass(frozen=True)
class ImproveTask:
    """An environment and how much of the mixture to gather; `options` of both runs, `ours` of the second only."""

    env: str
    options: tuple[str, ...]
    ours: tuple[str, ...] = ("deterministic=true",)


_MIXTURE = "collect.behaviour=random:0.9+expert:0.1"
# Mostly random data says little about which policy is good, so leaving it costs little.
_IMPROVE = ("improve=imagination", "improve.kl_weight=0.01", "improve.horizon=30", "improve.steps=300")
_GRID = ("trainer.steps=600", "trainer.batch_size=16")

IMPROVE_TASKS: dict[str, ImproveTask] = {
    "mixed-MultiRoom-N2-S4": ImproveTask("MiniGrid-MultiRoom-N2-S4", ("collect.steps=60000", *_GRID)),
    "mixed-DoorKey-5x5": ImproveTask("MiniGrid-DoorKey-5x5", ("collect.steps=100000", *_GRID)),
    "mixed-CartPole": ImproveTask("CartPole-v1", ("collect.steps=60000",)),
    "mixed-FourRooms": ImproveTask(
        "MiniGrid-FourRooms",
        ("collect.steps=200000", "objective.horizon=12", *_GRID),
        # The expert's episodes are short, one step in fifty: too few to be learned unless they are shown more often.
        (
            "trainer.top_return_fraction=0.5",
            "objective.policy_baseline=mean",
            "objective.policy_temperature=0.05",
            "deterministic=false",
        ),
    ),
    "MultiRoom-N4-S5": ImproveTask("MiniGrid-MultiRoom-N4-S5", ("trainer.steps=800",)),
}


def improve_rows(name: str, seed: int, config: BenchmarkConfig, console: Console) -> list[dict[str, Any]]:
    """The rows of one task and seed."""
    task = IMPROVE_TASKS[name]
    if not name.startswith("mixed-"):
        return run_task(name, seed, config, console, task.env, task.options)
    shared = (*task.options, _MIXTURE, "planner=lookahead")
    cloning = (*shared, "objective.policy_temperature=0", "deterministic=false")
    weighting = (*shared, "objective.policy_temperature=0.3", *task.ours, *_IMPROVE)
    with tempfile.TemporaryDirectory() as data:  # both train on the same episodes
        cloned = run_task(
            name, seed, config, console, task.env, cloning, lambda agent: agent.replace("policy", "cloned"), data
        )
        ours = run_task(name, seed, config, console, task.env, weighting, data_folder=data)
    return [*cloned, *(row for row in ours if not row["agent"].startswith("behaviour"))]
