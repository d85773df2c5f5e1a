"""Steps of an untrained model's imagined FourRooms beside steps of the real one, both monitored, on one core."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from rich.console import Console
from stable_baselines3.common.vec_env import VecEnv, VecMonitor

from benchmarks.jobs import data_in, run_command
from benchmarks.options import Options
from benchmarks.rows import Row
from benchmarks.suites.speed.models import make_model
from benchmarks.suites.speed.timed import Timed
from benchmarks.timing import interleave, threads
from nextlat_rl import ImaginedVecEnv, WorldModel, list_datasets, load_dataset, make_real_env, start_beliefs
from nextlat_rl.data.store import build_store

_ENV = "MiniGrid-FourRooms-v0"
_BATCHES = (64, 256, 1024)
_REAL_ENVS = 16
_STEPS = 10  # a call


def rows(part: str, seed: int, options: Options, console: Console) -> Iterator[Row]:
    """A row for each number of imagined environments."""
    with tempfile.TemporaryDirectory() as folder, data_in(folder):
        run_command("collect", f"env={_ENV}", "behaviour=explorer", "steps=3000", folder=folder)
        (name,) = list_datasets()
        store = build_store(load_dataset(name), Path(folder) / "cache")
        world_model = WorldModel(make_model(store, seed), _ENV)
        starts = start_beliefs(world_model, list_datasets())
    for batch in _BATCHES[:1] if options.quick else _BATCHES:
        with threads(1):
            imagined = _stepping(VecMonitor(ImaginedVecEnv(world_model, batch, starts, horizon=100)))
            real = _stepping(make_real_env(world_model, _REAL_ENVS))
            seconds, real_seconds, _ = interleave(imagined, real, 2 if options.quick else 10)
        yield Timed(
            f"a step, {batch} imagined environments",
            "ImaginedVecEnv",
            seconds / (_STEPS * batch),
            "at least 10",
            f"real FourRooms, {_REAL_ENVS} environments",
            real_seconds / (_STEPS * _REAL_ENVS),
            cores=1,
        ).row(part, seed)


def _stepping(venv: VecEnv) -> Callable[[], object]:
    """Steps of random actions."""
    rng = np.random.default_rng(0)
    venv.reset()
    count = int(venv.action_space.n)  # type: ignore[attr-defined]

    def steps() -> None:
        for _ in range(_STEPS):
            venv.step(rng.integers(count, size=venv.num_envs))

    steps()  # the tracer optimises over its first calls
    return steps
