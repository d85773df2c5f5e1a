"""The paper's experiments (arXiv 2511.05963): every objective on its tasks, the paper's figure beside ours."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import torch
from rich.console import Console
from rich.table import Table

from nextlat_rl.agents.episodes import EVALUATION_SEED
from nextlat_rl.commands.benchmark_paper_cost import cost_rows
from nextlat_rl.commands.benchmark_paper_data import gathered
from nextlat_rl.commands.benchmark_paper_fit import QUICK, Fitted, fit, train_settings
from nextlat_rl.commands.benchmark_paper_sizes import COST_MODELS, PAPER, TASKS_BY_SIZE, PaperTask
from nextlat_rl.commands.benchmark_paper_streets import MapTest
from nextlat_rl.commands.evaluate import score
from nextlat_rl.commands.side_by_side import side_by_side
from nextlat_rl.config import BenchmarkConfig
from nextlat_rl.console import table
from nextlat_rl.data.store import Store
from nextlat_rl.distributed import from_first, launched, share
from nextlat_rl.models.nextlat import NextLat
from nextlat_rl.runtime import available_cores, pick_device, set_threads
from nextlat_rl.statistics import seeds_interval
from nextlat_rl.tracking import git_revision
from nextlat_rl.world_model import Acting, WorldModel

_SCORED = 500  # fresh problems
_CHECKED = 200  # fresh problems that tell whether training can stop; not among the others
_SOLVED = 0.99  # share of right answers from which on a seed counts as one that solves the task
_ORDER = ("gpt", "bst", "mtp", "jtp", "nextlat")  # of a table's lines
# Parts in which there is something to solve.
_ANSWERED = {name for tasks in TASKS_BY_SIZE.values() for name, task in tasks.items() if task.scored}


def paper_parts(size: str) -> list[str]:
    """The parts of the suite at one size."""
    return [*TASKS_BY_SIZE[size], *COST_MODELS]


def paper_rows(parts: list[str], seeds: range, config: BenchmarkConfig, console: Console) -> Iterator[dict[str, Any]]:
    """The rows of all parts, as they are measured: the cost alone, then every objective and seed, a core each.

    These models are too small for a second thread to be of use, so as many are trained side by side as there are cores;
    on a GPU one after the other, under torchrun by all its processes together.
    """
    for name in parts:
        if name in COST_MODELS:
            set_threads(0)
            yield from from_first(partial(_cost, name, config, console))
    tasks = TASKS_BY_SIZE[config.size]
    trained = [name for name in parts if name in tasks]
    jobs = [(name, objective, seed) for seed in seeds for name in trained for objective in tasks[name].objectives]
    cores = min(available_cores(), len(jobs)) if pick_device("auto").type == "cpu" else 1
    if cores > 1 and not launched():
        yield from side_by_side(_objective_rows, [(*job, config) for job in jobs], cores)
        return
    set_threads(0)
    for job in jobs:
        yield from _objective_rows(*job, config, console)


def _cost(part: str, config: BenchmarkConfig, console: Console) -> list[dict[str, Any]]:
    """What a training step of each objective costs."""
    return _described(cost_rows(COST_MODELS[part], config.quick, console), part, config)


def _described(rows: list[dict[str, Any]], part: str, config: BenchmarkConfig) -> list[dict[str, Any]]:
    """`rows` with where and how they were measured."""
    where = {"part": part, "size": config.size, "cores": torch.get_num_threads(), "processes": share()[1]}
    return [row | where | {"git_revision": git_revision()} for row in rows]


def _objective_rows(
    name: str, objective: str, seed: int, config: BenchmarkConfig, console: Console
) -> list[dict[str, Any]]:
    """Train one objective and measure what it learned."""
    task = TASKS_BY_SIZE[config.size][name]
    store = _data(task.env, task.behaviour, 60 if config.quick else task.episodes, console)
    options = [*task.options, *task.own.get(objective, ()), *(QUICK if config.quick else ())]
    settings = train_settings(f"env.id={task.env}", f"seed={seed}", f"objective.name={objective}", *options)
    fitted = fit(settings, store, console, lambda model: _all_right(model, task, console), task.check_every)
    measured = from_first(lambda: _measured(name, objective, seed, fitted, config, console))
    return _described(measured, name, config)


def _measured(
    name: str, objective: str, seed: int, fitted: Fitted, config: BenchmarkConfig, console: Console
) -> list[dict[str, Any]]:
    """What a trained model can do: a row for each measure."""
    task = TASKS_BY_SIZE[config.size][name]
    rows: list[dict[str, Any]] = []
    for acting in ("trunk", "recurrent") if objective == "nextlat" else ("trunk",):
        agent = objective if acting == "trunk" else f"{objective}, {acting}"
        for measure, value in _measures(task, fitted.model, acting, config.quick, console).items():
            paper = PAPER[name].get(agent, {}).get(measure, "")
            rows.append({"agent": agent, "measure": measure, "value": value, "paper": paper})
    for row in rows:
        row |= {"seed": seed, "train_steps": fitted.steps, "train_seconds": fitted.seconds}
    shown = ", ".join(f"{row['agent']} {row['measure']} {row['value']:.3f}" for row in rows)
    console.print(f"[bold]{name}[/bold], seed {seed}, {fitted.seconds:.0f} s: {shown}", highlight=False)
    if not task.scored and objective in ("gpt", "nextlat"):
        _draw_map(_map_test(task.env, config.quick), objective, seed, fitted, Path(config.runs) / "benchmarks")
    return rows


@cache
def _data(env: str, behaviour: str, episodes: int, console: Console) -> Store:
    return from_first(lambda: gathered(env, behaviour, episodes, console))


@cache
def _map_test(env: str, quick: bool) -> MapTest:
    return MapTest(env, 20, 40) if quick else MapTest(env)


def _measures(task: PaperTask, model: NextLat, acting: Acting, quick: bool, console: Console) -> dict[str, float]:
    if not task.scored:
        return _map_test(task.env, quick).measures(model, acting)
    episodes = 20 if quick else _SCORED
    return {
        measure: _right(model, env, acting, episodes, EVALUATION_SEED, console) for measure, env in task.scored.items()
    }


def _all_right(model: NextLat, task: PaperTask, console: Console) -> bool:
    """Whether the model answers everything that is scored, on other problems."""
    first = EVALUATION_SEED + _SCORED
    return all(_right(model, env, "trunk", _CHECKED, first, console) == 1 for env in task.scored.values())


def _right(model: NextLat, env: str, acting: Acting, episodes: int, first_seed: int, console: Console) -> float:
    """Share of right answers; a task has one problem, and what is not solved brings nothing."""
    row, _ = score(
        WorldModel(model, env),
        env,
        acting=acting,
        episodes=episodes,
        deterministic=True,
        n_envs=250,
        seed=0,
        console=console,
        first_seed=first_seed,
    )
    return float(row["return_mean"])


def _draw_map(test: MapTest, objective: str, seed: int, fitted: Fitted, folder: Path) -> None:
    """The model's map as a picture beside the results."""
    found = test.map(fitted.model)
    figure = test.figure(found, f"{objective}, {fitted.steps:,} steps")
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / f"paper-map-{objective}-{seed}.png", dpi=110)
    plt.close(figure)


def paper_tables(rows: list[dict[str, Any]]) -> list[Table]:
    """A table for each part, whatever was finished first."""
    known = dict.fromkeys(part for size in ("full", "cpu") for part in paper_parts(size))
    parts = [part for part in known if any(row["part"] == part for row in rows)]
    in_order = sorted(rows, key=lambda row: _ORDER.index(row["agent"].split(",")[0]))
    return [paper_table(part, [row for row in in_order if row["part"] == part]) for part in parts]


def paper_table(part: str, rows: list[dict[str, Any]]) -> Table:
    """A line for each measure and agent: the paper's figure, ours, its interval, and every seed's.

    Where a seed gave both NextLat and GPT their first weights and their batches, a line tells the difference.
    """
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["measure"], row["agent"]), []).append(row)
    lines = []
    for (measure, agent), group in groups.items():
        values = [row["value"] for row in sorted(group, key=lambda row: row.get("seed", 0))]
        solved = f"{sum(value >= _SOLVED for value in values) / len(values):.2g}" if part in _ANSWERED else ""
        lines.append([measure, agent, group[0]["paper"], *_over_seeds(values, solved)])
        if agent == "nextlat":
            gpt = {row["seed"]: row["value"] for row in groups.get((measure, "gpt"), [])}
            both = {row["seed"]: row["value"] for row in group if row["seed"] in gpt}
            if len(both) > 1:
                differences = [both[seed] - gpt[seed] for seed in sorted(both)]
                lines.append([measure, "nextlat - gpt, by seed", "", *_over_seeds(differences, "")])
    columns = ["measure", "model", "paper", "ours", "95% over seeds", "solved", "each seed"]
    return table(f"{part} (Student's interval over training seeds)", columns, lines)


def _over_seeds(values: list[float], solved: str) -> list[str]:
    """Cells: the mean, its interval, `solved`, and each value."""
    interval = seeds_interval(values)
    shown = f"[{interval[0]:.3g}, {interval[1]:.3g}]" if interval else ""
    return [f"{sum(values) / len(values):.3g}", shown, solved, " / ".join(f"{value:.3g}" for value in values)]
