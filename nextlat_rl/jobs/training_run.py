"""The main job: gather data, train, evaluate, and keep what came of it in a run folder."""

import re
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from minari import MinariDataset
from omegaconf import OmegaConf
from rich.console import Console

from nextlat_rl.agents.planning.planner import check_space
from nextlat_rl.console import make_console
from nextlat_rl.data.batches import held_out_batch, split
from nextlat_rl.data.minari_io import exists
from nextlat_rl.data.space_check import check_spaces
from nextlat_rl.data.store import Store
from nextlat_rl.envs import make_env, resolve_env_id, saved_env_id, time_limit
from nextlat_rl.envs.paper.diagnostics import log_task
from nextlat_rl.errors import UserError
from nextlat_rl.jobs.collection import default_dataset_id, ensure_dataset, gather, slug
from nextlat_rl.jobs.compose import compose
from nextlat_rl.jobs.config import AUTO, TrainConfig
from nextlat_rl.jobs.data import open_store
from nextlat_rl.jobs.report import final_report, improved_report
from nextlat_rl.jobs.run import RunContext, TrainingRun
from nextlat_rl.jobs.training_loop import TrainingLoop
from nextlat_rl.jobs.unfinished import ROUNDS, held, held_new, newest_unfinished, results
from nextlat_rl.memory import Acting
from nextlat_rl.models.nextlat import NextLat
from nextlat_rl.objectives.config import trains_dynamics
from nextlat_rl.results import write_json
from nextlat_rl.runtime import pick_device, set_threads
from nextlat_rl.settings import from_dict
from nextlat_rl.signals import exit_code
from nextlat_rl.training import checkpoint
from nextlat_rl.training.build import HELD_OUT, build_model, make_trainer, window_length
from nextlat_rl.world_model import WorldModel

_DIAGNOSTIC_EPISODES = 64
_PROBE_EPISODES = 256


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
    set_threads(config.trainer.threads)
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
        write_json(Path(rows[0]["run"]) / ROUNDS, rows)
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
    saved = resumed_config(str(found), [f"env={config.env.id}", *(o for o in typed if not o.startswith("resume="))])
    same = replace(saved, runs=config.runs, json=config.json, device=config.device)
    return _train_once(same, console, started)


def resumed_config(resume: str, typed: Sequence[str]) -> TrainConfig:
    """A run's own settings, changed by the options that were typed.

    `model=`, `objective=` and `trainer=` choose whole groups, which a run cannot change: they are ignored. `env=` must
    be the run's own; it is needed where that is code of a module, see `saved_env_id`.

    Raises:
        UserError: no such run, an option or value that does not exist, another environment, or settings of the run that
            would run code which nobody asked for.
    """
    config = checkpoint.load_config(resume)
    if not config.get("train_config"):
        raise UserError(f"'{resume}' does not say how it was trained: it cannot be resumed, give another run")
    saved = config["train_config"]
    env_id = _own_env_id(resume, saved["env"]["id"], config.get("env_id", ""), typed)
    groups = ("env", "env.id", "model", "objective", "trainer")
    plain = [option for option in typed if option.split("=", 1)[0] not in groups]
    named = [option for option in plain if option.split("=", 1)[0] in ("planner", "improve")]
    chosen = {option.partition("=")[0]: {"name": option.partition("=")[2]} for option in named}
    changes = OmegaConf.from_dotlist([option for option in plain if option not in named])
    values = _merged(saved | chosen | {"rounds": 1}, OmegaConf.to_container(changes, resolve=True))
    merged = from_dict(TrainConfig, values | {"env": {"id": env_id}, "resume": resume})
    _refuse_saved_policy(merged, env_id, typed)
    return merged


def _merged(settings: dict[str, Any], changes: Any) -> dict[str, Any]:
    """Settings with changes at any depth; the settings are plain values, nothing in them is filled in."""
    new = dict(settings)
    for name, value in changes.items():
        both = isinstance(value, dict) and isinstance(new.get(name), dict)
        new[name] = _merged(new[name], value) if both else value
    return new


def _own_env_id(resume: str, saved: str, full: str, typed: Sequence[str]) -> str:
    """The full id of the environment that a run was trained in; `env=` among what was typed must be the same."""
    names = [option.partition("=")[2] for option in typed if option.partition("=")[0] in ("env", "env.id")]
    env_id = saved_env_id(saved, names[-1] if names else "")
    if names and env_id not in (saved, full):
        raise UserError(f"'{resume}' was trained in {saved}, which env={names[-1]} cannot change: leave it out")
    return env_id


def _refuse_saved_policy(config: TrainConfig, env_id: str, typed: Sequence[str]) -> None:
    """Gather anew with a policy of Stable-Baselines3 only if it was typed: loading one runs code that it contains."""
    behaviour = config.collect.behaviour
    named = any(option.partition("=")[0] == "collect.behaviour" for option in typed)
    if named or config.data != "auto" or "sb3:" not in behaviour:
        return
    if not exists(default_dataset_id(env_id, config.collect)):
        raise UserError(
            f"the data of '{config.resume}' are gone, and gathering them again would load a policy that can run code: "
            f"add collect.behaviour={behaviour} if you trust it"
        )


def _next_round(config: TrainConfig, number: int, rows: list[dict[str, Any]], console: Console) -> TrainConfig:
    """Let the agent of the last round gather a data set; the settings that train on everything gathered so far."""
    env_id = resolve_env_id(config.env.id)
    last = rows[-1].get("round")
    policies = [row for row in rows if row.get("round") == last and "run" in row]
    source = policies[-1]["run"]  # the improved policy where there is one
    console.print(f"\nRound {number} of {config.rounds}: gathering with {source}", highlight=False)
    # Each round on seeds of its own, far from the first data set's.
    seed = config.collect.seed + 500_000 + 50_000 * number
    behaviour = f"agent:{source}"
    collect = replace(config.collect, behaviour=behaviour, steps=config.round_steps, episodes=None, seed=seed, sb3={})
    run = re.sub("[^A-Za-z0-9]+", "-", Path(policies[0]["run"]).name)
    dataset_id = f"nextlat_rl/{slug(env_id)}/round-{number}-{run}-v0"
    if not exists(dataset_id):
        gather(dataset_id, env_id, collect, console)
    return replace(config, data=f"{policies[0]['data']}+{dataset_id}")


def _train_once(config: TrainConfig, console: Console, started: float) -> list[dict[str, Any]]:
    """One round: data, training, evaluation, improvement."""
    with ExitStack() as stack:
        context = _open_run(config, console, stack)
        return _train_in(context, started)


def _train_in(context: RunContext, started: float) -> list[dict[str, Any]]:
    config, console = context.config, context.console
    device = pick_device(config.device)
    store, length = context.store, window_length(context.store, config.trainer.length)
    training, held_out = split(store, HELD_OUT, config.seed)
    model = _model(config, store, length, device)
    trainer = make_trainer(model, store, training, config.objective, config.trainer, length, config.seed)
    if config.resume:
        checkpoint.load_optimizer(config.resume, trainer.optimizer)
        saved = checkpoint.load_config(config.resume)
        trainer.step, trainer.left_out = saved["step"], saved.get("left_out")
    loop = TrainingLoop(trainer, context)
    loop.begin()
    sample = held_out[:_DIAGNOSTIC_EPISODES]
    try:
        loop.run(held_out_batch(store, sample, length).to(device))
        batch = held_out_batch(store, sample).to(device)
        rows = final_report(context, model, batch, loop.tracker)
        ways: list[Acting] = ["trunk", "recurrent"] if trains_dynamics(config.objective.name) else ["trunk"]
        fitted = held_out_batch(store, training[:_PROBE_EPISODES]).to(device)
        log_task(context.env_id, model, ways, fitted, batch, loop.tracker, trainer.step, console)
        if config.improve.name != "none":
            rows += improved_report(context, model)
    except KeyboardInterrupt as error:
        loop.stop(error)
    for row in rows:
        row |= {"train_steps": trainer.step, "total_wall_seconds": time.monotonic() - started}
    write_json(context.folder / "results.json", rows)
    loop.tracker.close()
    _say_what_next(config, context.folder, started, console)
    return rows


def _open_run(config: TrainConfig, console: Console, stack: ExitStack) -> RunContext:
    """The data, gathered if need be, and the run folder: a new one, or with `resume` the run's own; held by `stack`."""
    env_id = resolve_env_id(config.env.id)
    folder = stack.enter_context(held(checkpoint.run_folder(config.resume))) if config.resume else None
    env = make_env(env_id)
    limit = time_limit(env)
    check_space(config.planner.name, env.action_space)
    dataset_id, datasets = ensure_dataset(config.data, env_id, config.collect, console)
    check_spaces(datasets[0].observation_space, datasets[0].action_space, env.observation_space, env.action_space)
    env.close()
    store = open_store(datasets, console)
    if folder is None:
        folder = stack.enter_context(held_new(config, env_id))
    return RunContext(config, env_id, dataset_id, store, folder, limit, console)


def _model(config: TrainConfig, store: Store, length: int, device: torch.device) -> NextLat:
    """The run's model to go on with, or a fresh one from `config.seed`."""
    if config.resume:
        return checkpoint.load_model(config.resume, device)[0]
    torch.manual_seed(config.seed)
    return build_model(config.model, config.objective, store, length).to(device)


def _say_what_next(config: TrainConfig, folder: Path, started: float, console: Console) -> None:
    minutes = (time.monotonic() - started) / 60
    acting = " acting=recurrent" if trains_dynamics(config.objective.name) else ""
    more = 2 * config.trainer.steps
    for line in (
        f"\nDone in {minutes:.1f} min. Everything lies in {folder}",
        f"  look:      tensorboard --logdir {config.runs}",
        f"  evaluate:  python -m nextlat_rl.evaluate checkpoint={folder}{acting}",
        f"  go on:     python -m nextlat_rl.train resume={folder} trainer.steps={more}",
    ):
        console.print(line, highlight=False)
