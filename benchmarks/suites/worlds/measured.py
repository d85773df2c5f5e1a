"""The rows of one environment and seed: our model first, then rivals for as many seconds on the same episodes."""

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
from benchmarks.suites.worlds.diagnosed import diagnosed
from benchmarks.suites.worlds.played import Stored, first_observations, played
from benchmarks.suites.worlds.tasks import OPTIONS, QUICK, TASKS
from benchmarks.timing import threads
from nextlat_rl.agents.episodes import evaluation_seeds
from nextlat_rl.data.batches import held_out_batch, split
from nextlat_rl.data.store import Store
from nextlat_rl.envs import make_env, resolve_env_id, time_limit
from nextlat_rl.jobs.collection import ensure_dataset
from nextlat_rl.jobs.compose import compose
from nextlat_rl.jobs.config import TrainConfig
from nextlat_rl.jobs.data import open_store
from nextlat_rl.results import provenance
from nextlat_rl.training.build import HELD_OUT

_LONGEST = 500  # steps of an episode, real or imagined
_COLUMNS = 256  # of a held-out episode


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
        seed: the training seed.

    """

    part: str
    env_id: str
    store: Store
    training: np.ndarray
    held_out: np.ndarray
    horizon: int
    count: int
    seed: int


def rows(part: str, seed: int, options: Options, console: Console) -> Iterator[Row]:
    """A row for each model."""
    chosen = [f"env={TASKS[part]}", f"seed={seed}", f"collect.seed={seed * 1_000_000}", *OPTIONS]
    config = compose("train", TrainConfig, [*chosen, *(QUICK if options.quick else ())])
    problem = _problem(part, config, options, console)
    with threads(1):
        ours = OurWorld(config, problem.env_id)
        seconds = ours.fit(problem.store, problem.training, 1.0, seed)
        yield _row(ours, ours, seconds, problem, console)
        for rival in _rivals(ours, options, console):
            try:
                spent = rival.fit(problem.store, problem.training, seconds, seed)
                yield _row(rival, ours, spent, problem, console)
            finally:
                rival.close()


def _rivals(ours: OurWorld, options: Options, console: Console) -> Iterator[World]:
    yield CellWorld(ours.parameters, ours.context)
    if options.sheeprl:
        yield DreamerWorld(options.sheeprl, ours.parameters)
    else:
        console.print("DreamerV3 is left out: it needs sheeprl=<a Python that has sheeprl>", highlight=False)


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
    return Problem(part, env_id, store, training, held_out[:64], horizon, 8 if options.quick else 128, config.seed)


def _row(world: World, ours: OurWorld, seconds: float, problem: Problem, console: Console) -> Row:
    """Ask, play and dream."""
    wm = ours.world_model
    store, seeds = problem.store, evaluation_seeds(problem.count)
    answer = world.answer_bits(held_out_batch(store, problem.held_out, _COLUMNS))
    real = played(world, problem.env_id, store, seeds, problem.horizon)
    envs, first = first_observations(problem.env_id, seeds)
    for env in envs:
        env.close()
    imagined = world.dream(Stored(store).observations(first), problem.horizon, seed=0)
    values: dict[str, Any] = {
        "env": problem.env_id,
        "episodes": problem.count,
        "horizon": problem.horizon,
        "train_seconds": seconds,
        "train_steps": world.steps,
        "parameters": world.parameters,
        "answer_is_bound": world.bound,
        "imagined_steps_per_second": int(imagined.taken.sum()) / max(world.dream_seconds, 1e-9),
        **{"answer_bits" if name == "answer" else f"answer_bits_{name}": bits for name, bits in answer.items()},
        **diagnosed(real, imagined, store, problem.training, problem.horizon, wm.observation_codecs, wm.action_codec),
    }
    source = provenance(seed=problem.seed, device="cpu", cores=1)
    row = make_row("worlds", problem.part, world.name, source, values)
    console.print(
        f"  {world.name}, seed {row.seed}: {answer['answer']:.3f} bits a step, imagined return "
        f"{row.figure('imagined_return_mean'):.3f}, real {row.return_mean:.3f}, {seconds:.0f} s of training",
        highlight=False,
    )
    return row
