"""The rows of one environment and seed: ours first, then rivals for as many seconds on the same episodes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.console import Console

from benchmarks.options import Options
from benchmarks.rivals.worlds import World
from benchmarks.rivals.worlds.cells import CellWorld
from benchmarks.rivals.worlds.dreamer import DreamerWorld
from benchmarks.rivals.worlds.ours import OurWorld
from benchmarks.rows import Row, make_row
from benchmarks.suites.worlds.diagnosed import DREAMS, dreamed, figures
from benchmarks.suites.worlds.played import played
from benchmarks.suites.worlds.tasks import MODELS, OPTIONS, QUICK, TASKS
from benchmarks.timing import threads
from nextlat_rl.agents.episodes import evaluation_seeds
from nextlat_rl.data.batches import held_out_batch, split
from nextlat_rl.data.store import Store
from nextlat_rl.envs import make_env, resolve_env_id, time_limit
from nextlat_rl.errors import UserError
from nextlat_rl.jobs.collection import ensure_dataset
from nextlat_rl.jobs.compose import compose
from nextlat_rl.jobs.config import TrainConfig
from nextlat_rl.jobs.data import open_store
from nextlat_rl.jobs.diagnosis import compare
from nextlat_rl.results import provenance
from nextlat_rl.seeds import DIAGNOSIS_SEED
from nextlat_rl.training.build import HELD_OUT

_LONGEST = 500  # steps of an episode, real or imagined
_COLUMNS = 256  # of a held-out episode
_EPISODES, _QUICK_EPISODES = (
    256,
    32,
)  # played, and imagined from the same starts; 32 are the fewest with a trust horizon


@dataclass(frozen=True)
class Problem:
    """What all models of a part and a seed share.

    Attributes:
        part: of the rows.
        env_id: full id.
        store: the data.
        training: episodes to train on.
        held_out: episodes to answer.
        horizon: steps after which episodes are cut, real and imagined.
        count: how many episodes are played and imagined.
        dreams: how many are imagined at least, to count impossible returns in.
        seed: the training seed.

    """

    part: str
    env_id: str
    store: Store
    training: np.ndarray
    held_out: np.ndarray
    horizon: int
    count: int
    dreams: int
    seed: int


def rows(part: str, seed: int, options: Options, console: Console) -> Iterator[Row]:
    """A row for each model that `options.models` names; ours is always trained, the others get the time it takes."""
    wanted = _wanted(options, console)
    chosen = [f"env={TASKS[part]}", f"seed={seed}", f"collect.seed={seed * 1_000_000}", *OPTIONS]
    config = compose("train", TrainConfig, [*chosen, *(QUICK if options.quick else ())])
    problem = _problem(part, config, options, console)
    with threads(1):
        ours = OurWorld(config, problem.env_id)
        seconds = ours.fit(problem.store, problem.training, 1.0, seed)
        for name in wanted:
            world = _made(name, ours, options)
            spent = seconds
            try:
                if not isinstance(world, OurWorld):
                    spent = world.fit(problem.store, problem.training, seconds, seed)
                yield _row(world, ours, spent, problem, console)
            finally:
                world.close()


def _wanted(options: Options, console: Console) -> list[str]:
    """Names of the models to measure.

    Raises:
        UserError: `models=` has an unknown one, or DreamerV3's without `sheeprl=`.

    """
    if options.models:
        chosen = options.models.split("+")
        if unknown := [name for name in chosen if name not in MODELS]:
            raise UserError(f"models={unknown[0]} is unknown; choose among {', '.join(MODELS)}, joined with +")
        if "dreamer" in chosen and not options.sheeprl:
            raise UserError("models=dreamer needs sheeprl=<a Python that has sheeprl>")
        return chosen
    if not options.sheeprl:
        console.print("DreamerV3 is left out: it needs sheeprl=<a Python that has sheeprl>", highlight=False)
    return [name for name in MODELS if name != "dreamer" or options.sheeprl]


def _made(name: str, ours: OurWorld, options: Options) -> World:
    """One of `MODELS`; ours is trained, the others are not."""
    if name == "cells":
        return CellWorld(ours.parameters, ours.context)
    if name == "dreamer":
        return DreamerWorld(options.sheeprl, ours.parameters)
    return ours if name == "ours" else ours.by_trunk()


def _problem(part: str, config: TrainConfig, options: Options, console: Console) -> Problem:
    """The data, gathered if need be."""
    env_id = resolve_env_id(config.env.id)
    env = make_env(env_id)
    env.reset(seed=0)  # some levels set their time limit only then
    limit = time_limit(env)
    env.close()
    _, datasets = ensure_dataset(config.data, env_id, config.collect, console)
    store = open_store(datasets, console)
    training, held_out = split(store, HELD_OUT, config.seed)
    horizon = min(limit or _LONGEST, 20 if options.quick else _LONGEST)
    count, dreams = (_QUICK_EPISODES, _QUICK_EPISODES) if options.quick else (_EPISODES, DREAMS)
    return Problem(part, env_id, store, training, held_out[:64], horizon, count, dreams, config.seed)


def _row(world: World, ours: OurWorld, seconds: float, problem: Problem, console: Console) -> Row:
    """Ask, play, dream and compare."""
    wm, store, steps = ours.world_model, problem.store, problem.horizon
    bits = world.answer_bits(held_out_batch(store, problem.held_out, _COLUMNS))
    real = played(world, wm, problem.env_id, evaluation_seeds(problem.count, DIAGNOSIS_SEED), steps)
    dreams = dreamed(world, real, steps, -(-problem.dreams // problem.count))
    found = compare(wm, problem.env_id, store, problem.training, real, dreams[0], steps, bits, console)
    values: dict[str, Any] = {
        "env": problem.env_id,
        "train_seconds": seconds,
        "train_steps": world.steps,
        "parameters": world.parameters,
        "answer_is_bound": world.bound,
        "imagined_steps_per_second": int(dreams[-1].length.sum()) / max(world.dream_seconds, 1e-9),
        **figures(found, real, dreams, store),
    }
    row = make_row("worlds", problem.part, world.name, provenance(seed=problem.seed, device="cpu", cores=1), values)
    console.print(
        f"  {world.name}, seed {row.seed}: {bits['total']:.3f} bits a step, trusted for "
        f"{found.trust.trust_horizon} steps, imagined return {row.figure('imagined_return_mean'):.3f}, real "
        f"{row.return_mean:.3f}, {seconds:.0f} s of training",
        highlight=False,
    )
    return row
