"""Speed: two ways of doing the same thing, interleaved in one process, quoted as a ratio of medians."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import torch
from omegaconf import OmegaConf
from rich.console import Console
from rich.table import Table
from torch import Tensor

from nextlat_rl.agents.agent import Agent
from nextlat_rl.config import TrainConfig
from nextlat_rl.console import table
from nextlat_rl.data.batches import Batcher
from nextlat_rl.data.store import build_store
from nextlat_rl.envs import make_env, resolve_env_id
from nextlat_rl.jobs.collection import ensure_dataset
from nextlat_rl.jobs.setup import build_model, objective_config, window_length
from nextlat_rl.memory import Acting
from nextlat_rl.models.transformer import KVCache, Transformer, TrunkConfig
from nextlat_rl.runtime import set_threads
from nextlat_rl.training.trainer import Trainer
from nextlat_rl.world_model import WorldModel

_ENV = "MiniGrid-FourRooms"
_DATA_STEPS = 20_000
_LARGE_TRUNK = TrunkConfig(layers=12, heads=6, width=384)


def speed_rows(quick: bool, console: Console) -> list[dict[str, Any]]:
    """Measure everything; a row for each pair."""
    set_threads(0)
    rounds = 3 if quick else 15
    config: TrainConfig = OmegaConf.to_object(OmegaConf.structured(TrainConfig))  # type: ignore[assignment]
    config.env.id, config.collect.behaviour, config.collect.steps = _ENV, "explorer", _DATA_STEPS
    env_id = resolve_env_id(_ENV)
    _, (dataset,) = ensure_dataset("auto", env_id, config.collect, {}, console)
    with tempfile.TemporaryDirectory() as cache:
        store = build_store(dataset, Path(cache))
        length = window_length(config, store)
        model = build_model(config, store, length)
        rows = [_training_row(config, store, length, rounds), _store_row(config, dataset, store, length, rounds)]
    world_model = WorldModel(model, env_id)
    rows += [_acting_row(world_model, env_id, batch, rounds) for batch in (1, 64)]
    rows += [_packed_row(steps, rounds) for steps in (1, 10)]
    rows += [_answer_row("--help", "--help"), _answer_row("a misspelt option", "trainer.stepps=1")]
    for row in rows:
        row |= {"part": "speed", "cores": torch.get_num_threads()}
    return rows


def interleave(first: Callable[[], object], second: Callable[[], object], rounds: int) -> tuple[float, float, float]:
    """Median seconds of each and the median of the round-by-round ratios first / second."""
    pairs = []
    for call in (first, second):  # warm up
        call()
    for _ in range(rounds):
        pairs.append((_seconds(first), _seconds(second)))
    return median(a for a, _ in pairs), median(b for _, b in pairs), median(a / b for a, b in pairs)


def _seconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def _training_row(config: TrainConfig, store: Any, length: int, rounds: int) -> dict[str, Any]:
    """A NextLat step at d = 1 against a step of the next-token losses alone, on the same batches."""
    trainers = []
    for name in ("nextlat", "gpt"):
        config.objective.name, config.objective.horizon = name, 1
        batches = Batcher(store, config.trainer.batch_size, length, seed=0)
        model = build_model(config, store, length)
        trainers.append(Trainer(model, batches, objective_config(config), config.trainer, seed=0))
    nextlat, gpt, ratio = interleave(trainers[0].train_step, trainers[1].train_step, rounds)
    return _row("training step, NextLat (d = 1) / GPT", nextlat, gpt, ratio, "at most 1.15")


def _store_row(config: TrainConfig, dataset: Any, store: Any, length: int, rounds: int) -> dict[str, Any]:
    """Seconds per environment step delivered: Minari's sampling against packed batches of the store."""
    batches, counter = Batcher(store, config.trainer.batch_size, length, seed=0), iter(range(10_000))
    sizes: list[int] = []

    def from_minari() -> None:
        sizes.append(sum(len(episode.rewards) for episode in dataset.sample_episodes(config.trainer.batch_size)))

    def from_store() -> None:
        batches.batch(next(counter))

    minari, packed, _ = interleave(from_minari, from_store, rounds)
    minari, packed = minari / median(sizes), packed / (config.trainer.batch_size * length)
    return _row("a step of data, sample_episodes / store", minari, packed, minari / packed, "at least 10")


def _acting_row(world_model: WorldModel, env_id: str, batch: int, rounds: int) -> dict[str, Any]:
    """A decision at the trunk's mean cache length against one by the latent dynamics, same observations."""
    env = make_env(env_id)
    observation, _ = env.reset(seed=0)
    env.close()
    threads = torch.get_num_threads()
    torch.set_num_threads(1 if batch == 1 else threads)
    steps = 50

    def episode(acting: Acting) -> Callable[[], None]:
        def play() -> None:
            agent = Agent(world_model, batch, acting, deterministic=True)  # as this environment's default says
            for t in range(steps):
                agent.act([observation] * batch, [0.0] * batch, [t == 0] * batch, list(range(batch)))

        return play

    trunk, recurrent, ratio = interleave(episode("trunk"), episode("recurrent"), rounds)
    torch.set_num_threads(threads)
    name = f"a decision, trunk / recurrent, {batch} environment{'s' * (batch > 1)}"
    return _row(name, trunk / steps / batch, recurrent / steps / batch, ratio, "at least 5")


@torch.no_grad()
def _packed_row(steps: int, rounds: int) -> dict[str, Any]:
    """A pass of the large trunk over a few steps, by its own weights and by packed ones; one core."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    plain, packed = (Transformer(_LARGE_TRUNK).eval() for _ in range(2))
    packed.pack()
    x = torch.randn(1, steps, _LARGE_TRUNK.width)

    def reading(trunk: Transformer) -> Callable[[], Tensor]:
        for _ in range(10):  # a trace is made
            trunk.extend(x, KVCache(trunk, 1))
        return lambda: trunk.extend(x, KVCache(trunk, 1))

    seconds, packed_seconds, ratio = interleave(reading(plain), reading(packed), rounds)
    torch.set_num_threads(threads)
    return _row(
        f"a pass over {steps} step{'s' * (steps > 1)}, 12 x 384, plain / packed", seconds, packed_seconds, ratio, ""
    )


def _answer_row(what: str, argument: str) -> dict[str, Any]:
    """How soon a command line is answered, a new process each time."""
    command = [sys.executable, "-m", "nextlat_rl.train", argument]
    seconds = [_seconds(lambda: subprocess.run(command, capture_output=True, check=False)) for _ in range(5)]
    return _row(f"train answers {what}", median(seconds), None, None, "under 1 s")


def _row(name: str, first: float, second: float | None, ratio: float | None, target: str) -> dict[str, Any]:
    row: dict[str, Any] = {"measure": name, "first_seconds": first, "target": target}
    return row | ({} if second is None else {"second_seconds": second, "ratio": ratio})


def speed_table(rows: list[dict[str, Any]]) -> Table:
    """A line for each measure."""
    lines = []
    for row in rows:
        ratio = f"{row['ratio']:.2f}" if "ratio" in row else ""
        second = f"{1000 * row['second_seconds']:.4g} ms" if "second_seconds" in row else ""
        lines.append([row["measure"], f"{1000 * row['first_seconds']:.4g} ms", second, ratio, row["target"]])
    return table("Speed (medians, interleaved)", ["measure", "first", "second", "ratio", "target"], lines)
