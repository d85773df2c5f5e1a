"""Measuring the README's figures."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.config import BenchmarkConfig
from benchmarks.curves import CURVE_TASKS, curve_rows
from benchmarks.main_job import TASKS, run_task, seeds_table, task_table
from benchmarks.paper import paper_rows
from benchmarks.paper_sizes import SIZES, paper_parts, parts_apart
from benchmarks.report_curves import curve_figure, curve_tables
from benchmarks.report_paper import paper_tables, solved_by_step
from benchmarks.sb3 import SB3_TASKS, sb3_rows, sb3_speed_rows, sb3_speed_table
from nextlat_rl.console import make_console
from nextlat_rl.errors import UserError
from nextlat_rl.results import write_json
from nextlat_rl.settings import at_least, one_of
from nextlat_rl.training.distributed import destroy, init, is_main_process, launched

Rows = list[dict[str, Any]]

_SPEED_ROWS = {"sb3": sb3_speed_rows}
_SPEED_TABLES = {"sb3": sb3_speed_table}


def benchmark(config: BenchmarkConfig) -> None:
    """`python -m benchmarks`."""
    chosen = _chosen_parts(config)
    if config.show:
        _show_again(chosen, config)
        return
    init()
    console = make_console(config.json)
    console.quiet = not is_main_process()
    if left_out := _left_out(config):
        console.print(f"Left out, for they take long: {', '.join(left_out)}; only= measures them", highlight=False)
    file = Path(config.runs) / "benchmarks" / f"{config.suite}.json"
    seeds = range(config.first_seed, config.first_seed + config.seeds)
    kept = kept_rows(file, chosen, seeds, config.size)
    rows = []
    for row in _all_rows(chosen, seeds, config, console):
        rows.append(row)
        if is_main_process():
            write_json(file, kept + rows)
    writes = is_main_process()
    destroy()
    if not writes:
        return
    if config.json:
        print(json.dumps(rows, indent=1))
        return
    _show(rows, [row for row in kept + rows if row["part"] in chosen], config, file.parent, console)
    console.print(f"Written to {file}", highlight=False)


def _show_again(chosen: list[str], config: BenchmarkConfig) -> None:
    """The tables and figures of the rows in a file, of any machine and time; nothing is measured."""
    rows = [row for row in read_rows(Path(config.show)) if row["part"] in chosen]
    if not rows:
        raise UserError(f"show={config.show} holds no rows of suite={config.suite} only={'+'.join(chosen)}")
    if config.json:
        print(json.dumps(rows, indent=1))
        return
    folder = Path(config.runs) / "benchmarks"
    folder.mkdir(parents=True, exist_ok=True)
    _show(rows, rows, config, folder, make_console(False))


def read_rows(file: Path) -> Rows:
    """The rows that a run of the benchmark wrote.

    Raises:
        UserError: there is no such file, or it holds something else.

    """
    if not file.is_file():
        raise UserError(
            f"show={file} is not a file; name one that the benchmark wrote, such as benchmarks/results/train.json"
        )
    try:
        rows = json.loads(file.read_text())
    except ValueError:
        rows = None
    if not isinstance(rows, list) or not all(isinstance(row, dict) and "part" in row for row in rows):
        raise UserError(f"show={file} holds no rows of the benchmark")
    return rows


def _chosen_parts(config: BenchmarkConfig) -> list[str]:
    """The parts to measure, after a look at the settings."""
    one_of("size", config.size, SIZES)
    suites = {
        "train": [*TASKS],
        "sb3": [*SB3_TASKS, *CURVE_TASKS],
        "paper": paper_parts(config.size),
    }
    one_of("suite", config.suite, tuple(suites))
    if config.suite != "paper" and config.size != "cpu":
        raise UserError(f"size={config.size} is for suite=paper only; leave it out")
    if config.suite != "paper" and launched():
        raise UserError(f"suite={config.suite} runs in one process; torchrun is for suite=paper")
    at_least("", config, 1, "seeds")
    parts = suites[config.suite] + ["speed"] * (config.suite in _SPEED_ROWS)
    left_out = _left_out(config)
    chosen = config.only.split("+") if config.only else [part for part in parts if part not in left_out]
    for name in chosen:
        if name not in parts:
            raise UserError(f"only={name} is unknown; choose among {', '.join(parts)}, joined with +")
    return chosen


def _left_out(config: BenchmarkConfig) -> list[str]:
    """Parts that are measured only when they are named."""
    return [] if config.suite != "paper" or config.only or config.show else parts_apart(config.size)


def _show(rows: Rows, known: Rows, config: BenchmarkConfig, folder: Path, console: Console) -> None:
    """Tables and figures of `rows`, and where seeds are compared of all that is `known` of the same parts."""
    if config.suite == "paper":
        of_size = [row for row in known if row["size"] == config.size]
        for shown in paper_tables(of_size):
            console.print(shown)
        if drawn := solved_by_step(of_size, folder):
            console.print(f"Drawn in {drawn}", highlight=False)
        return
    tasks = [row for row in rows if "return_mean" in row]
    if tasks:
        console.print(task_table(tasks))
        console.print(seeds_table([row for row in known if "return_mean" in row]))
    curves = [row for row in known if row.get("kind") == "curve"]
    if curves:
        for shown in curve_tables(curves):
            console.print(shown)
        console.print(f"Drawn in {curve_figure(curves, folder)}", highlight=False)
    speed = [row for row in rows if row["part"] == "speed"]
    if speed:
        console.print(_SPEED_TABLES[config.suite](speed))


def _all_rows(chosen: list[str], seeds: range, config: BenchmarkConfig, console: Console) -> Iterable[dict[str, Any]]:
    """The rows of all parts and seeds."""
    if config.suite == "paper":
        yield from paper_rows(chosen, seeds, config, console)
        return
    for name in chosen:
        for seed in seeds if name != "speed" else seeds[:1]:
            yield from _measure(name, seed, config, console)


def _measure(name: str, seed: int, config: BenchmarkConfig, console: Console) -> Iterable[dict[str, Any]]:
    """The rows of one part, some as soon as they are measured."""
    if name == "speed":
        return _SPEED_ROWS[config.suite](config.quick, console)
    if name in CURVE_TASKS:
        return curve_rows(name, seed, config, console)
    if config.suite == "sb3":
        return sb3_rows(name, seed, config, console)
    return run_task(name, seed, config, console, options=("planner=none",))


def kept_rows(file: Path, chosen: list[str], seeds: range, size: str = "cpu") -> list[dict[str, Any]]:
    """Rows of earlier runs that this one does not measure again."""
    if not file.exists():
        return []

    def again(row: dict[str, Any]) -> bool:
        same = row["part"] in chosen and row.get("size", size) == size
        return same and row.get("seed", seeds[0]) in seeds

    return [row for row in json.loads(file.read_text()) if not again(row)]
