"""Training every objective on the paper's tasks and measuring what it learned."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from rich.console import Console

from benchmarks.options import Options
from benchmarks.rows import Row, make_row
from benchmarks.side_by_side import side_by_side
from benchmarks.suites.paper.cost import cost_rows
from benchmarks.suites.paper.data import gathered
from benchmarks.suites.paper.fit import QUICK, Fitted, fit, train_settings
from benchmarks.suites.paper.tasks import COST_MODELS, TASKS_BY_SIZE, PaperTask
from nextlat_rl import WorldModel
from nextlat_rl.data.store import Store
from nextlat_rl.envs.paper.map_test import MapTest
from nextlat_rl.jobs.evaluation import ActingConfig, score
from nextlat_rl.memory import Acting
from nextlat_rl.models.nextlat import NextLat
from nextlat_rl.results import provenance, typed_command
from nextlat_rl.runtime import available_cores, pick_device, set_threads
from nextlat_rl.seeds import EVALUATION_SEED
from nextlat_rl.torchrun import launched
from nextlat_rl.training.distributed import broadcast_from_main, is_main_process, rank_and_world_size

_SCORED = 500  # fresh problems
_CHECKED = 200  # fresh problems that tell whether training can stop; not among the others


def rows(parts: Sequence[str], options: Options, console: Console) -> Iterator[Row]:
    """The rows of several parts and all training seeds, as they are measured.

    These models are too small for a second thread to be of use, so as many are trained side by side as there are cores;
    on a GPU one after the other, under torchrun by all its processes together.
    """
    for part in parts:
        if part in COST_MODELS:
            yield from cost(part, options.first_seed, options, console)
    tasks, command = TASKS_BY_SIZE[options.size], typed_command()
    names = [name for name in parts if name in tasks]
    jobs = [
        (name, objective, seed, options, command)
        for seed in options.training_seeds
        for name in names
        for objective in tasks[name].objectives
    ]
    cores = min(available_cores(), len(jobs)) if pick_device("auto").type == "cpu" else 1
    if cores > 1 and not launched():
        yield from side_by_side(trained, jobs, cores)
        return
    set_threads(0)
    for job in jobs:
        yield from trained(*job, console)


def cost(part: str, seed: int, options: Options, console: Console) -> list[Row]:
    """What a training step of each objective costs."""
    set_threads(0)
    values = broadcast_from_main(partial(cost_rows, COST_MODELS[part], options.quick, console))
    return [_row(part, seed, options, None, found) for found in values]


def trained(part: str, objective: str, seed: int, options: Options, command: str | None, console: Console) -> list[Row]:
    """Train one objective and measure what it learned: a row for each measure, and for NextLat for each way to act.

    Args:
        part: name of the task.
        objective: what is trained.
        seed: of weights and batches.
        options: size, and whether this is a smoke test.
        command: for the provenance; None is this process's own.
        console: shows how far it is.

    """
    task = TASKS_BY_SIZE[options.size][part]
    store = _data(task.env, task.behaviour, 60 if options.quick else task.episodes, console)
    own = [*task.options, *task.own.get(objective, ()), *(QUICK if options.quick else ())]
    settings = train_settings(f"env={task.env}", f"seed={seed}", f"objective.name={objective}", *own)
    fitted = fit(settings, store, console, lambda model: _all_right(model, task, console), task.check_every)
    values = broadcast_from_main(lambda: _measured(task, objective, fitted.model, options.quick, console))
    if not task.scored and objective in ("gpt", "nextlat") and is_main_process():
        test = _map_test(task.env, options.quick)
        _draw_map(test, objective, seed, fitted, Path(options.runs) / "benchmarks")
    took = {"train_steps": fitted.steps, "train_seconds": fitted.seconds}
    shown = ", ".join(f"{found['agent']} {found['measure']} {found['value']:.3f}" for found in values)
    console.print(f"[bold]{part}[/bold], seed {seed}, {fitted.seconds:.0f} s: {shown}", highlight=False)
    return [_row(part, seed, options, command, found | took) for found in values]


def _row(part: str, seed: int, options: Options, command: str | None, values: dict[str, Any]) -> Row:
    """A row of figures that this process measured."""
    source = provenance(command, seed=seed, device=pick_device("auto").type)
    where = {"size": options.size, "processes": rank_and_world_size()[1]}
    return make_row("paper", part, values["agent"], source, values | where)


def _measured(task: PaperTask, objective: str, model: NextLat, quick: bool, console: Console) -> list[dict[str, Any]]:
    """What a trained model can do: figures of each measure."""
    found: list[dict[str, Any]] = []
    ways: tuple[Acting, ...] = ("trunk", "recurrent") if objective == "nextlat" else ("trunk",)
    for acting in ways:
        agent = objective if acting == "trunk" else f"{objective}, {acting}"
        measures = _measures(task, model, acting, quick, console)
        found += [{"agent": agent, "measure": measure, "value": value} for measure, value in measures.items()]
    return found


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
