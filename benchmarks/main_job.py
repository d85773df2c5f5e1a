"""The main job on each task, from nothing, as a user would run it: one process, its wall time and its memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from benchmarks.config import BenchmarkConfig
from nextlat_rl.console import table
from nextlat_rl.errors import UserError
from nextlat_rl.statistics import seeds_interval

# What the policy must reach in mean return over 500 fresh episodes, without a planner.
TASKS: dict[str, tuple[str, float]] = {
    "FourRooms": ("MiniGrid-FourRooms", 0.65),
    "DoorKey": ("MiniGrid-DoorKey-5x5", 0.9),
    "GoToRedBall": ("BabyAI-GoToRedBallNoDists", 0.9),
    "CartPole": ("CartPole-v1", 475.0),
    "Acrobot": ("Acrobot-v1", -100.0),
    "Pendulum": ("Pendulum-v1", -200.0),
}

_QUICK = ["trainer=smoke", "trainer.steps=30", "collect.steps=3000", "improve.steps=5", "improve.beliefs=2000"]


def run_task(
    name: str,
    seed: int,
    config: BenchmarkConfig,
    console: Console,
    env: str | None = None,
    options: Sequence[str] = (),
    rename: Callable[[str], str] = str,
    data_folder: str | None = None,
) -> list[dict[str, Any]]:
    """Train and evaluate on a task in a process of its own, with an empty cache; its result rows.

    Args:
        name: the rows' `part`; one of `TASKS` unless `env` is given.
        seed: of the data, the weights and the batches.
        config: where runs go, and whether this is a smoke test.
        console: told what is going on.
        env: another environment, without a target.
        options: more options of `nextlat_rl.train`.
        rename: the agents' names in the table.
        data_folder: where the data set and its flat copy go, if they are to be kept.

    """
    env, target = (env, None) if env else TASKS[name]
    with tempfile.TemporaryDirectory() as scratch:
        folder = data_folder or scratch
        environment = os.environ | {"MINARI_DATASETS_PATH": f"{folder}/minari", "NEXTLAT_CACHE": f"{folder}/cache"}
        command = [sys.executable, "-m", "nextlat_rl.train", f"env={env}", f"seed={seed}", f"runs={config.runs}"]
        # Every seed gathers its own data.
        command += [f"collect.seed={seed * 1_000_000}", "json=true", f"name=benchmark-{seed}"]
        command += [*options, *(_QUICK if config.quick else [])]
        console.print(f"[bold]{name}[/bold], seed {seed}: {' '.join(command[1:])}", highlight=False)
        started = time.monotonic()
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        memory = PeakMemory(process.pid)
        output, _ = process.communicate()
        seconds, peak = time.monotonic() - started, memory.stop()
    if process.returncode != 0:
        raise UserError(f"training on {env} failed with exit code {process.returncode}; see its message above")
    rows: list[dict[str, Any]] = json.loads(output)
    for row in rows:
        row |= {"part": name, "seed": seed, "target": target, "command_seconds": seconds, "peak_memory_mb": peak}
        row["agent"] = rename(row["agent"])
    for row in rows:
        console.print(
            f"  {row['agent']}: return {row['return_mean']:.3f} "
            f"[{row['return_ci_low']:.3f}, {row['return_ci_high']:.3f}], {seconds / 60:.1f} min, {peak:.0f} MB",
            highlight=False,
        )
    return rows


@contextmanager
def data_in(folder: str) -> Iterator[None]:
    """Data sets and their flat copies live in `folder`."""
    wanted = {"MINARI_DATASETS_PATH": f"{folder}/minari", "NEXTLAT_CACHE": f"{folder}/cache"}
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


def task_table(rows: list[dict[str, Any]]) -> Table:
    """A line for each task, agent and seed."""
    columns = ["task", "agent", "seed", "return", "95% interval", "target", "success", "gap", "minutes", "peak MB"]
    lines = []
    for row in rows:
        trained = not row["agent"].startswith("behaviour")
        lines.append(
            [
                row["part"],
                row["agent"],
                str(row["seed"]),
                f"{row['return_mean']:.3f}",
                f"[{row['return_ci_low']:.3f}, {row['return_ci_high']:.3f}]",
                f"{row['target']:g}" if trained and row["target"] is not None else "",
                f"{row['success_rate']:.3f}" if "success_rate" in row else "",
                f"{row['imagined_gap']:+.3f}" if "imagined_gap" in row else "",
                f"{row['command_seconds'] / 60:.1f}" if trained and "command_seconds" in row else "",
                f"{row['peak_memory_mb']:.0f}" if "peak_memory_mb" in row and trained else "",
            ]
        )
    return table("The main job, from an empty cache to the final table", columns, lines)


def seeds_table(rows: list[dict[str, Any]]) -> Table:
    """A line for each task and agent: the mean over training seeds with its interval, and every seed's own mean."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["part"], row["agent"]), []).append(row)
    lines = []
    for (part, agent), group in groups.items():
        means = [row["return_mean"] for row in sorted(group, key=lambda row: row["seed"])]
        interval = seeds_interval(means)
        shown = f"[{interval[0]:.3f}, {interval[1]:.3f}]" if interval else ""
        each = " / ".join(f"{mean:.3f}" for mean in means)
        lines.append([part, agent, f"{sum(means) / len(means):.3f}", shown, each, str(group[0]["episodes"])])
    columns = ["task", "agent", "return", "95% over seeds", "each training seed", "episodes each"]
    return table("Mean returns over training seeds (Student's interval)", columns, lines)


class PeakMemory:
    """Largest memory of a process and its children together, sampled; Linux only, elsewhere 0."""

    def __init__(self, pid: int) -> None:
        self.pid, self.peak, self.running = pid, 0.0, True
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()

    def stop(self) -> float:
        """Stop watching; the peak in MB."""
        self.running = False
        self.thread.join()
        return self.peak

    def _watch(self) -> None:
        while self.running:
            self.peak = max(self.peak, sum(_proportional_mb(pid) for pid in _family(self.pid)))
            time.sleep(0.25)


def _family(pid: int) -> list[int]:
    """The process and all its descendants."""
    family = [pid]
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = file.read_text().split()
        except OSError:  # it has just ended
            continue
        for child in children:
            family += _family(int(child))
    return family


def _proportional_mb(pid: int) -> float:
    """Memory of a process, pages that it shares with others counted in part."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:  # it has just ended, or this is not Linux
        return 0.0
    line = next((line for line in text.splitlines() if line.startswith("Pss:")), "Pss: 0 kB")
    return float(line.split()[1]) / 1024
