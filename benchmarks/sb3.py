"""The world model inside Stable-Baselines3: PPO that never leaves imagination, and how fast imagination runs."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import VecEnv, VecMonitor
from torch import Tensor

from benchmarks.config import BenchmarkConfig
from benchmarks.main_job import data_in, run_task
from benchmarks.timing import interleave
from nextlat_rl.agents.sb3 import (
    BeliefPolicy,
    ImaginedVecEnv,
    make_belief_env,
    make_real_env,
    start_beliefs,
    uncertainty_limit,
)
from nextlat_rl.console import bar, table
from nextlat_rl.data.minari_io import list_datasets
from nextlat_rl.data.store import build_store
from nextlat_rl.jobs.collection import ensure_dataset
from nextlat_rl.jobs.config import TrainConfig
from nextlat_rl.memory import Acting
from nextlat_rl.results import git_revision
from nextlat_rl.runtime import set_threads
from nextlat_rl.seeds import EVALUATION_SEED
from nextlat_rl.statistics import bootstrap_interval
from nextlat_rl.training.build import build_model, window_length
from nextlat_rl.world_model import WorldModel

_ENVS = 64  # imagined episodes side by side
_PPO = {"n_steps": 64, "batch_size": 512, "n_epochs": 4, "learning_rate": 5e-4, "ent_coef": 0.01}
_SPEED_BATCHES = (64, 256, 1024)
_REAL_ENVS = 16


@dataclass(frozen=True)
class Sb3Task:
    """An environment, the length of imagined episodes, the imagined steps PPO trains for, options of the main job."""

    env: str
    horizon: int
    steps: int
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Dreamer:
    """PPO in imagination.

    Attributes:
        name: of the agent in the tables.
        within: episodes are cut at beliefs further off than this share of the data's; 0 never cuts.
        heads: it begins as the world model's policy and value (`BeliefPolicy`).
        price: `behaviour_price` of the imagined environments.

    """

    name: str
    within: float = 0.0
    heads: bool = False
    price: float = 0.0


SB3_TASKS = {
    "CartPole": Sb3Task("CartPole-v1", 100, 400_000),
    "FourRooms": Sb3Task("MiniGrid-FourRooms", 100, 500_000),
    # Data with something to gain from: the explorer, but every fifth action at random.
    "FourRooms-noisy": Sb3Task(
        "MiniGrid-FourRooms", 100, 500_000, ("collect.behaviour=explorer", "collect.epsilon=0.2")
    ),
}
DREAMERS = (
    Dreamer("PPO in imagination, on beliefs"),
    Dreamer("PPO in imagination, cut", within=0.99),
    Dreamer("PPO in imagination, from policy", heads=True),
    Dreamer("PPO in imagination, price 0.1", heads=True, price=0.1),
    Dreamer("PPO in imagination, price 0.3", heads=True, price=0.3),
)

# Whose beliefs the agent acts on for real, and what the tables add to its name: it has dreamt the first.
ACTINGS: dict[Acting, str] = {"recurrent": "", "trunk": ", by the trunk"}


def sb3_rows(name: str, seed: int, config: BenchmarkConfig, console: Console) -> Iterator[dict[str, Any]]:
    """The main job, then PPO in imagination without one new real step, scored for real on both kinds of beliefs."""
    task = SB3_TASKS[name]
    with tempfile.TemporaryDirectory() as folder:
        rows = run_task(name, seed, config, console, task.env, task.options, data_folder=folder)
        yield from rows
        with data_in(folder):
            world_model = WorldModel.load(rows[0]["run"], "cpu")
            starts = start_beliefs(world_model, list_datasets(), 2000, anywhere=True, seed=seed)
    set_threads(1)  # the networks are tiny: more threads only wait for each other
    shared = {key: rows[0][key] for key in ("part", "env", "seed", "target", "run", "peak_memory_mb", "deterministic")}
    for dreamer in DREAMERS:
        for row in dream_rows(world_model, starts, task, dreamer, shared["deterministic"], seed, config.quick, console):
            seconds = rows[0]["command_seconds"] + row["ppo_seconds"]
            yield shared | row | {"command_seconds": seconds, "git_revision": git_revision()}


def dream_rows(
    world_model: WorldModel,
    starts: Tensor,
    task: Sb3Task,
    dreamer: Dreamer,
    deterministic: bool,
    seed: int,
    quick: bool,
    console: Console,
) -> list[dict[str, Any]]:
    """Train one of the `DREAMERS` and play it, imagined (nothing is cut or charged then) and for real.

    A row for beliefs as they were imagined, carried by the latent dynamics, and one for the trunk's.
    """
    steps, episodes = (2 * _ENVS * _PPO["n_steps"], 64) if quick else (task.steps, 500)
    limit = uncertainty_limit(starts, dreamer.within) if dreamer.within else None
    begin = {"policy": BeliefPolicy, "policy_kwargs": {"world_model": world_model}} if dreamer.heads else {}
    started = time.monotonic()
    imagined = VecMonitor(ImaginedVecEnv(world_model, _ENVS, starts, task.horizon, seed, limit, dreamer.price))
    agent = PPO(env=imagined, seed=seed, device="cpu", **{"policy": "MlpPolicy", **_PPO, **begin})  # type: ignore[arg-type]
    with bar(console, dreamer.name, int(steps), "steps") as shown:
        agent.learn(int(steps), callback=Progress(shown.update))
    seconds = time.monotonic() - started
    dreamt = ImaginedVecEnv(world_model, 64, starts, task.horizon, seed + 1)
    dreams, _ = play(agent, dreamt, episodes, task.horizon, deterministic)
    row: dict[str, Any] = {"imagined_steps": int(agent.num_timesteps), "new_real_steps": 0, "ppo_seconds": seconds}
    row["imagined_return"] = float(np.mean(dreams))
    rows = []
    for acting, name in ACTINGS.items():
        belief_env = make_belief_env(world_model, 50, EVALUATION_SEED, acting)
        real, early = play(agent, belief_env, episodes, task.horizon, deterministic)
        low, high = bootstrap_interval(real)
        scores = {"return_mean": float(np.mean(real)), "return_ci_low": low, "return_ci_high": high}
        scores |= {"episodes": len(real), "real_return_same_horizon": float(np.mean(early))}
        scores["imagined_gap"] = float(np.mean(dreams) - np.mean(early))
        rows.append({"agent": dreamer.name + name} | row | scores)
        console.print(
            f"  {dreamer.name}{name}: return {np.mean(real):.3f} [{low:.3f}, {high:.3f}] after {seconds:.0f} s; over "
            f"{task.horizon} steps {np.mean(dreams):.3f} imagined, {np.mean(early):.3f} real",
            highlight=False,
        )
    return rows


def play(agent: PPO, venv: VecEnv, episodes: int, horizon: int, deterministic: bool) -> tuple[list[float], list[float]]:
    """Returns of whole episodes and of their first `horizon` steps, as many in each row; most likely actions or not."""
    per_row = -(-episodes // venv.num_envs)
    finished = np.zeros(venv.num_envs, dtype=int)
    total, early, length = np.zeros(venv.num_envs), np.zeros(venv.num_envs), np.zeros(venv.num_envs, dtype=int)
    returns: list[float] = []
    firsts: list[float] = []
    seen: Any = venv.reset()
    while (finished < per_row).any():
        seen, rewards, dones, _ = venv.step(agent.predict(seen, deterministic=deterministic)[0])
        total += rewards
        early += rewards * (length < horizon)
        length += 1
        for i in np.flatnonzero(dones & (finished < per_row)):
            returns.append(float(total[i]))
            firsts.append(float(early[i]))
        finished += dones
        for kept in (total, early, length):
            kept[dones] = 0
    return returns, firsts


def sb3_speed_rows(quick: bool, console: Console) -> list[dict[str, Any]]:
    """Steps a second on one core: an untrained model's imagined FourRooms beside the real one, both monitored."""
    config = TrainConfig()
    config.env.id, config.collect.behaviour, config.collect.steps = "MiniGrid-FourRooms-v0", "explorer", 3000
    with tempfile.TemporaryDirectory() as folder, data_in(folder):
        _, datasets = ensure_dataset("auto", config.env.id, config.collect, console)
        store = build_store(datasets)
        world_model = WorldModel(
            build_model(config.model, config.objective, store, window_length(store)), config.env.id
        )
        starts = start_beliefs(world_model, list_datasets())
    set_threads(1)
    rows = []
    for batch in _SPEED_BATCHES[:1] if quick else _SPEED_BATCHES:
        imagined = _stepping(VecMonitor(ImaginedVecEnv(world_model, batch, starts, horizon=100)))
        real = _stepping(make_real_env(world_model, _REAL_ENVS))
        seconds, real_seconds, _ = interleave(imagined, real, 2 if quick else 10)
        rates = (10 * batch / seconds, 10 * _REAL_ENVS / real_seconds)
        row = {"part": "speed", "batch": batch, "per_second": rates[0], "real_per_second": rates[1], "cores": 1}
        rows.append(row | {"ratio": rates[0] / rates[1], "target": "at least 10"})
    return rows


def sb3_speed_table(rows: list[dict[str, Any]]) -> Table:
    """A line for each number of imagined environments."""
    lines = [
        [str(r["batch"]), f"{r['per_second']:,.0f}", f"{r['real_per_second']:,.0f}", f"{r['ratio']:.1f}", r["target"]]
        for r in rows
    ]
    columns = ["imagined envs", "imagined steps/s", f"real steps/s ({_REAL_ENVS} envs)", "ratio", "target"]
    return table("FourRooms imagined and real, one core, VecMonitor on, medians of interleaved rounds", columns, lines)


class Progress(BaseCallback):
    """Tells how many steps are done."""

    def __init__(self, update: Callable[[int, str], None]) -> None:
        super().__init__()
        self._update = update

    def _on_step(self) -> bool:
        recent: Any = self.model.ep_info_buffer or []
        mean = f"return {np.mean([info['r'] for info in recent]):.3g}" if recent else ""
        self._update(self.num_timesteps, mean)
        return True


def _stepping(venv: VecEnv) -> Callable[[], object]:
    """Ten steps of random actions."""
    rng = np.random.default_rng(0)
    venv.reset()
    count = int(venv.action_space.n)  # type: ignore[attr-defined]

    def steps() -> None:
        for _ in range(10):
            venv.step(rng.integers(count, size=venv.num_envs))

    steps()  # the tracer optimises over its first calls
    return steps
