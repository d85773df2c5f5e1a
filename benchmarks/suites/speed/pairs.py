"""Training, data, acting, packed weights and command lines, each timed beside a rival."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import torch
from rich.console import Console

from benchmarks.jobs import data_in
from benchmarks.options import Options
from benchmarks.rows import Row
from benchmarks.suites.speed.timed import Timed
from benchmarks.timing import interleave, seconds_of, threads
from nextlat_rl import Agent, collect_dataset, make_env
from nextlat_rl.data.batches import Batcher
from nextlat_rl.data.store import Store, build_store
from nextlat_rl.memory import Acting
from nextlat_rl.models.config import TrunkConfig
from nextlat_rl.models.transformer import KVCache, Transformer
from nextlat_rl.runtime import set_threads
from nextlat_rl.world_model import WorldModel

_ENV = "MiniGrid-FourRooms-v0"
_DATA_STEPS = 20_000
_BATCH = 16
_LARGE_TRUNK = TrunkConfig(layers=12, heads=6, width=384, context=128)


def _rounds(options: Options) -> int:
    return 3 if options.quick else 15


def _data(folder: str) -> tuple[Any, Store]:
    """A data set of an explorer and its flat copy."""
    dataset = collect_dataset(_ENV, "explorer", _DATA_STEPS, quiet=True)
    return dataset, build_store(dataset, Path(folder) / "cache")


def _training(part: str, seed: int, options: Options, console: Console) -> Iterator[Row]:
    """A NextLat step at d = 1 against a step of the next-token losses alone, on the same batches."""
    from benchmarks.suites.speed.models import make_trainer

    set_threads(0)
    with tempfile.TemporaryDirectory() as folder, data_in(folder):
        _, store = _data(folder)
        ours, gpt = (make_trainer(store, name, seed) for name in ("nextlat", "gpt"))
        seconds, rival, ratio = interleave(ours.train_step, gpt.train_step, _rounds(options))
    name = "NextLat (d = 1)"
    yield Timed("a training step", name, seconds, "at least 0.87", "GPT", rival, 1 / ratio).row(part, seed)


def _feeding(part: str, seed: int, options: Options, console: Console) -> Iterator[Row]:
    """Seconds per environment step delivered: Minari's sampling against packed batches of the store."""
    set_threads(0)
    with tempfile.TemporaryDirectory() as folder, data_in(folder):
        dataset, store = _data(folder)
        length = 100
        batches, counter = Batcher(store, _BATCH, length, seed), iter(range(10_000))
        sizes: list[int] = []

        def from_minari() -> None:
            sizes.append(sum(len(episode.rewards) for episode in dataset.sample_episodes(_BATCH)))

        packed, minari, _ = interleave(lambda: batches.batch(next(counter)), from_minari, _rounds(options))
    seconds, rival = packed / (_BATCH * length), minari / median(sizes)
    rival_name = "MinariDataset.sample_episodes"
    yield Timed("a step of data", "store", seconds, "at least 10", rival_name, rival).row(part, seed)


def _acting(part: str, seed: int, options: Options, console: Console) -> Iterator[Row]:
    """A decision by the latent dynamics against one at the trunk's mean cache length, same observations."""
    from benchmarks.suites.speed.models import make_model

    set_threads(0)
    with tempfile.TemporaryDirectory() as folder, data_in(folder):
        world_model = WorldModel(make_model(_data(folder)[1], seed), _ENV)
    for batch in (1, 64):
        with threads(1 if batch == 1 else torch.get_num_threads()):
            yield _decision(world_model, batch, _rounds(options)).row(part, seed)


def _decision(world_model: WorldModel, batch: int, rounds: int) -> Timed:
    env = make_env(_ENV)
    observation, _ = env.reset(seed=0)
    env.close()
    steps = 50

    def episode(acting: Acting) -> Callable[[], None]:
        def play() -> None:
            agent = Agent(world_model, batch, acting, deterministic=True)  # as this environment's default says
            for t in range(steps):
                agent.act([observation] * batch, [0.0] * batch, [t == 0] * batch, list(range(batch)))

        return play

    recurrent, trunk, ratio = interleave(episode("recurrent"), episode("trunk"), rounds)
    each = steps * batch
    measure = f"a decision, {batch} environment{'s' * (batch > 1)}"
    return Timed(measure, "latent dynamics", recurrent / each, "at least 5", "cached trunk", trunk / each, 1 / ratio)


@torch.no_grad()
def _packed(part: str, seed: int, options: Options, console: Console) -> Iterator[Row]:
    """A pass of the large trunk over a few steps, by packed weights and by its own; one core."""
    torch.manual_seed(seed)
    for steps in (1, 10):
        plain, packed = (Transformer(_LARGE_TRUNK).eval() for _ in range(2))
        packed.pack()
        x = torch.randn(1, steps, _LARGE_TRUNK.width)
        with threads(1):
            calls = [_reading(trunk, x) for trunk in (packed, plain)]
            seconds, rival, ratio = interleave(calls[0], calls[1], _rounds(options))
            measure = f"a pass over {steps} step{'s' * (steps > 1)}, 12 x 384"
            yield Timed(measure, "packed weights", seconds, "", "plain weights", rival, 1 / ratio).row(part, seed)


def _reading(trunk: Transformer, x: torch.Tensor) -> Callable[[], object]:
    for _ in range(10):  # a trace is made
        trunk.extend(x, KVCache(trunk, 1))
    return lambda: trunk.extend(x, KVCache(trunk, 1))


def _startup(part: str, seed: int, options: Options, console: Console) -> Iterator[Row]:
    """How soon a command line is answered, a new process each time."""
    for what, argument in (("--help", "--help"), ("a misspelt option", "trainer.stepps=1")):
        command = [sys.executable, "-m", "nextlat_rl.train", argument]
        seconds = median(
            seconds_of(lambda command=command: subprocess.run(command, capture_output=True, check=False))  # type: ignore[misc]
            for _ in range(2 if options.quick else 5)
        )
        yield Timed(f"train answers {what}", "train", seconds, "under 1 s").row(part, seed)


MEASURES: dict[str, Callable[[str, int, Options, Console], Iterator[Row]]] = {
    "training": _training,
    "data": _feeding,
    "acting": _acting,
    "packed": _packed,
    "startup": _startup,
}
