"""The paper's experiments (arXiv 2511.05963): every objective on its tasks, the paper's figure beside ours."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import torch
from rich.console import Console

from benchmarks.config import BenchmarkConfig
from benchmarks.paper_cost import cost_rows
from benchmarks.paper_data import gathered
from benchmarks.paper_fit import QUICK, Fitted, fit, train_settings
from benchmarks.paper_sizes import COST_MODELS, PAPER, TASKS_BY_SIZE, PaperTask
from benchmarks.side_by_side import side_by_side
from nextlat_rl.data.store import Store
from nextlat_rl.envs.paper.map_test import MapTest
from nextlat_rl.jobs.evaluation import ActingConfig, score
from nextlat_rl.memory import Acting
from nextlat_rl.models.nextlat import NextLat
from nextlat_rl.results import git_revision
from nextlat_rl.runtime import available_cores, pick_device, set_threads
from nextlat_rl.seeds import EVALUATION_SEED
from nextlat_rl.training.distributed import broadcast_from_main, launched, rank_and_world_size
from nextlat_rl.world_model import WorldModel

_SCORED = 500  # fresh problems
_CHECKED = 200  # fresh problems that tell whether training can stop; not among the others


def paper_rows(parts: list[str], seeds: range, config: BenchmarkConfig, console: Console) -> Iterator[dict[str, Any]]:
    """The rows of all parts, as they are measured: the cost alone, then every objective and seed, a core each.

    These models are too small for a second thread to be of use, so as many are trained side by side as there are cores;
    on a GPU one after the other, under torchrun by all its processes together.
    """
    for name in parts:
        if name in COST_MODELS:
            set_threads(0)
            yield from broadcast_from_main(partial(_cost, name, config, console))
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
    where = {"part": part, "size": config.size, "cores": torch.get_num_threads(), "processes": rank_and_world_size()[1]}
    return [row | where | {"git_revision": git_revision()} for row in rows]


def _objective_rows(
    name: str, objective: str, seed: int, config: BenchmarkConfig, console: Console
) -> list[dict[str, Any]]:
    """Train one objective and measure what it learned."""
    task = TASKS_BY_SIZE[config.size][name]
    store = _data(task.env, task.behaviour, 60 if config.quick else task.episodes, console)
    options = [*task.options, *task.own.get(objective, ()), *(QUICK if config.quick else ())]
    settings = train_settings(f"env={task.env}", f"seed={seed}", f"objective.name={objective}", *options)
    fitted = fit(settings, store, console, lambda model: _all_right(model, task, console), task.check_every)
    measured = broadcast_from_main(lambda: _measured(name, objective, seed, fitted, config, console))
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
    return broadcast_from_main(lambda: gathered(env, behaviour, episodes, console))


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
        ActingConfig(acting, deterministic=True),
        episodes=episodes,
        n_envs=250,
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
