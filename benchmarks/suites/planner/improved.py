"""From poor data to a good agent: cloning, advantage weights, the planner and improvement in imagination, compared.

The data are nine random episodes to one of an expert. Cloning (a run of its own, without advantage weights) is the
baseline; the second run weights by advantage, improves the policy in imagination, and scores both with and without
the look-ahead.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator

from rich.console import Console

from benchmarks.jobs import TrainJob, train
from benchmarks.options import Options
from benchmarks.rows import Row
from benchmarks.suites.planner.tasks import IMPROVED

MIXTURE = ("collect.behaviour=random:0.9+expert:0.1",)
# Mostly random data says little about which policy is good, so leaving it costs little.
IMPROVE = ("improve=imagination", "improve.kl_weight=0.01", "improve.horizon=30", "improve.steps=300")


def rows(part: str, seed: int, options: Options, console: Console) -> Iterator[Row]:
    """All rows of one task and seed."""
    task = IMPROVED[part]
    if task.weighted is None:
        yield from train(TrainJob("planner", part, task.env, seed, task.options), options, console)
        return
    shared = (*task.options, *MIXTURE, "planner=lookahead")
    cloning = (*shared, "objective.policy_temperature=0", "deterministic=false")
    weighting = (*shared, "objective.policy_temperature=0.3", *task.weighted, *IMPROVE)
    with tempfile.TemporaryDirectory() as data:  # both train on the same episodes
        job = TrainJob("planner", part, task.env, seed, cloning, rename=_cloned)
        yield from train(job, options, console, data)
        for row in train(TrainJob("planner", part, task.env, seed, weighting), options, console, data):
            if not row.agent.startswith("behaviour"):
                yield row


def _cloned(agent: str) -> str:
    return agent.replace("policy", "cloned")
