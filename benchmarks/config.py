"""Options of the benchmark."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class BenchmarkConfig:
    """`python -m benchmarks`.

    Attributes:
        suite: `train` (the main job), `planner`, `speculation`, `sb3` or `paper` (the NextLat paper's experiments).
        only: rows or parts to run, joined with `+`; empty runs all of them.
        size: of `suite=paper`: `cpu` is small, `gpu` takes the paper's settings for Path-Star G(5,5) and A5, `full` for
            all of its tasks.
        seeds: how many training seeds.
        first_seed: the first of them.
        show: a file of rows that the benchmark wrote: its tables are printed and nothing is measured.
        d3rlpy: a Python in whose environment d3rlpy is installed, for its rows of `suite=planner`.
        quick: a smoke test of the suite itself, not a measurement.

    """

    suite: str = "train"
    only: str = ""
    size: str = "cpu"
    seeds: int = 1
    first_seed: int = 0
    show: str = ""
    d3rlpy: str = ""
    quick: bool = False
    runs: str = "runs"
    json: bool = False
