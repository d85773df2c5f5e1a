"""The main job: gather data, train, evaluate, and keep what came of it in a run folder."""

import math
import re
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from minari import MinariDataset
from rich.console import Console

from nextlat_rl.agents.planning.planner import check_space
from nextlat_rl.console import make_console
from nextlat_rl.data.batches import held_out_batch, held_out_or_all, split
from nextlat_rl.data.minari_io import exists
from nextlat_rl.data.space_check import check_spaces, check_supported
from nextlat_rl.data.store import Store
from nextlat_rl.env_ids import split_env_id
from nextlat_rl.envs import make_env, resolve_env_id, set_timeout, time_limit
from nextlat_rl.envs.paper.diagnostics import log_task
from nextlat_rl.errors import UserError
from nextlat_rl.jobs.collection import ensure_dataset, gather, slug
from nextlat_rl.jobs.compose import compose
from nextlat_rl.jobs.config import AUTO, TrainConfig
from nextlat_rl.jobs.data import open_store
from nextlat_rl.jobs.ranks import call, with_shares
from nextlat_rl.jobs.report import final_report, improved_report
from nextlat_rl.jobs.resume import resumed_config
from nextlat_rl.jobs.run import RunContext, TrainingRun
from nextlat_rl.jobs.suitability import check_folders
from nextlat_rl.jobs.training_loop import TrainingLoop
from nextlat_rl.jobs.unfinished import ROUNDS, held, held_new, newest_unfinished, results
from nextlat_rl.memory import Acting
from nextlat_rl.models.nextlat import NextLat
from nextlat_rl.notices import costs_only
from nextlat_rl.objectives.config import trains_dynamics
from nextlat_rl.results import write_json
from nextlat_rl.runtime import pick_device, set_threads
from nextlat_rl.signals import exit_code
from nextlat_rl.training import checkpoint
from nextlat_rl.training.build import HELD_OUT, build_model, make_trainer, window_length
from nextlat_rl.training.tracking import Tracker
from nextlat_rl.world_model import WorldModel

_DIAGNOSTIC_EPISODES = 64
_PROBE_EPISODES = 256
_MASK = 2**26  # bytes


def train_model(
    env: str,
    data: str | MinariDataset = "auto",
    overrides: Sequence[str] = (),
    *,
    runs: str = "runs",
    name: str = "",
    quiet: bool = False,
) -> TrainingRun:
    """Train a world model and agent on offline trajectories and evaluate it: the main job, from Python.

    Args:
        env: any Gymnasium id; its settings in configs/env apply.
        data: a data set, a Minari id, or several ids joined with "+"; `auto` gathers the environment's own.
        overrides: options as the command takes them, such as `["trainer.steps=300", "planner=lookahead"]`.
        runs: folder of the run folders.
        name: suffix of the run folder.
        quiet: print nothing.

    Raises:
        UserError: an unknown option or environment, data that do not fit, a full disk.
    """
    data_id = data if isinstance(data, str) else data.id
    # Gathering in other processes would need a `__main__` guard in the caller's script.
    alone = "collect.workers=1"
    options = [f"env={env}", f"data={data_id}", f"runs={runs}", f"name={name}", alone, *overrides]
    config = compose("train", TrainConfig, options)
    rows = train(config, make_console(config.json, silent=quiet))
    folder = Path(next(row["run"] for row in rows if "run" in row))
    return TrainingRun(folder, WorldModel.load(folder, config.device), rows)


def train(config: TrainConfig, console: Console, typed: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Run the main job, with its rounds; the rows of `results.json`.

    Args:
        config: all settings.
        console: shows the progress.
        typed: the options that a run must share with `config` for `resume=auto` to take it; all if there are none.

    Raises:
        SystemExit: 130 after Ctrl-C, 143 after SIGTERM; a checkpoint is kept once training has begun.
        UserError: see `train_model`.
    """
    started = time.monotonic()
    config = with_shares(config)
    set_threads(config.trainer.threads)
    set_timeout(config.env.timeout)
    typed = typed if config.rounds == 1 else ()
    try:
        rows = _go_on(config, console, started, typed)
        for number in range(2, config.rounds + 1):
            config = _next_round(config, number, rows, console)
            rows += [row | {"round": number} for row in _go_on(config, console, started, typed)]
    except KeyboardInterrupt as error:
        console.print(
            "\nInterrupted outside training: data sets and runs that were complete are kept; run the same command "
            "again, with resume=auto to go on after a round that is done."
        )
        raise SystemExit(exit_code(error)) from None
    if config.rounds > 1:
        _keep(rows, Path(rows[0]["run"]) / ROUNDS)
    return rows


def _go_on(config: TrainConfig, console: Console, started: float, typed: Sequence[str]) -> list[dict[str, Any]]:
    """One round; with `resume=auto` the unfinished run of these settings goes on, and one that is done gives its rows.

    See `newest_unfinished` for what `typed` does.
    """
    if config.resume != AUTO:
        return _train_once(config, console, started)
    found = newest_unfinished(config, typed, console)
    if found is None:
        console.print("resume=auto: there is no unfinished run of these settings; starting anew.", highlight=False)
        return _train_once(replace(config, resume=None), console, started)
    if rows := results(found):
        console.print(f"resume=auto: {found} is done already.", highlight=False)
        return rows
    console.print(f"resume=auto: going on with {found}.", highlight=False)
    # All else that was typed is as the run has it.
    consent = [option for option in typed if option.startswith("collect.behaviour=")]
    saved = resumed_config(str(found), [f"env={config.env.id}", *consent])
    same = replace(saved, runs=config.runs, json=config.json, device=config.device)
    return _train_once(with_shares(same), console, started)


def _next_round(config: TrainConfig, number: int, rows: list[dict[str, Any]], console: Console) -> TrainConfig:
    """Let the agent of the last round gather a data set; the settings that train on everything gathered so far."""
    env_id = resolve_env_id(config.env.id, config.env.kwargs)
    last = rows[-1].get("round")
    policies = [row for row in rows if row.get("round") == last and "run" in row]
    source = policies[-1]["run"]  # the improved policy where there is one
    console.print(f"\nRound {number} of {config.rounds}: gathering with {source}", highlight=False)
    # Each round on seeds of its own, far from the first data set's.
    seed = config.collect.seed + 500_000 + 50_000 * number
    behaviour = f"agent:{source}"
    collect = replace(config.collect, behaviour=behaviour, steps=config.round_steps, episodes=None, seed=seed, sb3={})
    run = re.sub("[^A-Za-z0-9]+", "-", Path(policies[0]["run"]).name)
    dataset_id = f"nextlat_rl/{slug(split_env_id(env_id)[0])}/round-{number}-{run}-v0"
    if not exists(dataset_id):
        gather(dataset_id, env_id, collect, console)
    return replace(config, data=f"{policies[0]['data']}+{dataset_id}")


def _train_once(config: TrainConfig, console: Console, started: float) -> list[dict[str, Any]]:
    """One round: data, training, evaluation, improvement."""
    device = pick_device(config.device)
    with ExitStack() as stack:
        context = _open_run(config, console, stack)
        return _train_in(context, device, started)


def _train_in(context: RunContext, device: torch.device, started: float) -> list[dict[str, Any]]:
    config, console = context.config, context.console
    store, length = context.store, window_length(context.store, config.trainer.length)
    training, held_out = split(store, HELD_OUT, config.seed)
    model = _model(config, store, length, device)
    trainer = make_trainer(model, store, training, config.objective, config.trainer, length, config.seed)
    if config.resume:
        checkpoint.load_optimizer(config.resume, trainer.optimizer)
        saved = checkpoint.load_config(config.resume)
        trainer.step, trainer.left_out = saved["step"], saved.get("left_out")
    loop = TrainingLoop(trainer, context, partial(call, trainer, config, store, training, length))
    loop.begin()
    sample = held_out_or_all(training, held_out)[:_DIAGNOSTIC_EPISODES]
    try:
        loop.run(held_out_batch(store, sample, length).to(device))
        rows = _report(context, model, training, sample, loop.tracker, trainer.step)
    except KeyboardInterrupt as error:
        loop.stop(error)
    for row in rows:
        row |= {"train_steps": trainer.step, "total_wall_seconds": time.monotonic() - started}
    _keep(rows, context.folder / "results.json")
    loop.tracker.close()
    _say_what_next(config, context.folder, started, console)
    return rows


def _report(
    context: RunContext, model: NextLat, training: np.ndarray, sample: np.ndarray, tracker: Tracker, step: int
) -> list[dict[str, Any]]:
    """Evaluation, diagnostics and improvement of the trained model; the rows.

    Raises:
        UserError: which says that the model is kept.
    """
    config, store, device = context.config, context.store, model.start.device
    try:
        batch = held_out_batch(store, sample, _longest(sample)).to(device)
        rows = final_report(context, model, batch, tracker)
        with costs_only("the diagnostics of the task"):
            ways: list[Acting] = ["trunk", "recurrent"] if trains_dynamics(config.objective.name) else ["trunk"]
            fitted = training[:_PROBE_EPISODES]
            probed = held_out_batch(store, fitted, _longest(fitted)).to(device)
            log_task(context.env_id, model, ways, probed, batch, tracker, step, context.console)
        if config.improve.name != "none":
            _keep(rows, context.folder / "results.json")  # whatever becomes of the improvement
            rows += improved_report(context, model)
    except UserError as error:
        raise UserError(f"{error}; the trained model is kept in {context.folder}") from error
    return rows


def _keep(rows: list[dict[str, Any]], file: Path) -> None:
    with costs_only(str(file)):
        write_json(file, rows)


def _longest(episodes: np.ndarray) -> int:
    """Rows of episodes that are read at once: a mask over all pairs of rows keeps within 64 MB."""
    return max(1, math.isqrt(_MASK // len(episodes)))


def _open_run(config: TrainConfig, console: Console, stack: ExitStack) -> RunContext:
    """The data, gathered if need be, and the run folder: a new one, or with `resume` the run's own; held by `stack`."""
    env_id = resolve_env_id(config.env.id, config.env.kwargs)
    check_folders(config.runs)
    folder = stack.enter_context(held(checkpoint.run_folder(config.resume))) if config.resume else None
    env = make_env(env_id)
    limit = time_limit(env)
    check_supported(env.observation_space, env.action_space)
    check_space(config.planner.name, env.action_space)
    dataset_id, datasets = ensure_dataset(config.data, env_id, config.collect, console)
    _check_fit(datasets[0], env)
    env.close()
    store = open_store(datasets, console)
    if folder is None:
        folder = stack.enter_context(held_new(config, env_id))
    return RunContext(config, env_id, dataset_id, store, folder, limit, console)


def _check_fit(dataset: MinariDataset, env: gym.Env) -> None:
    """Require the data set's spaces to be the environment's.

    Raises:
        UserError: naming the part that differs, and the environment of the data set.
    """
    try:
        check_spaces(dataset.observation_space, dataset.action_space, env.observation_space, env.action_space)
    except UserError as error:
        named = "" if dataset.env_spec is None else f"; data set '{dataset.id}' names env={dataset.env_spec.id}"
        raise UserError(f"{error}{named}") from None


def _model(config: TrainConfig, store: Store, length: int, device: torch.device) -> NextLat:
    """The run's model to go on with, or a fresh one from `config.seed`."""
    if config.resume:
        return checkpoint.load_model(config.resume, device)[0]
    torch.manual_seed(config.seed)
    return build_model(config.model, config.objective, store, length).to(device)


def _say_what_next(config: TrainConfig, folder: Path, started: float, console: Console) -> None:
    minutes = (time.monotonic() - started) / 60
    acting = " acting=recurrent" if trains_dynamics(config.objective.name) else ""
    more, again = 2 * config.trainer.steps, config.env.consent
    for line in (
        f"\nDone in {minutes:.1f} min. Everything lies in {folder}",
        f"  look:      tensorboard --logdir {config.runs}",
        f"  evaluate:  python -m nextlat_rl.evaluate checkpoint={folder}{again}{acting}",
        f"  go on:     python -m nextlat_rl.train resume={folder}{again} trainer.steps={more}",
    ):
        console.print(line, highlight=False)
