"""PPO in imagination without one new real step, scored for real on both kinds of beliefs."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from rich.console import Console
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecEnv, VecMonitor
from torch import Tensor

from benchmarks.jobs import TrainJob, data_in, tell, train
from benchmarks.options import Options
from benchmarks.rivals.progress import Progress
from benchmarks.rows import Row, make_row
from benchmarks.suites.sb3.dreamers import DREAMERS, DREAMS, Dream, Dreamer
from nextlat_rl import (
    BeliefPolicy,
    ImaginedVecEnv,
    WorldModel,
    list_datasets,
    make_belief_env,
    start_beliefs,
    uncertainty_limit,
)
from nextlat_rl.console import bar
from nextlat_rl.memory import Acting
from nextlat_rl.results import provenance
from nextlat_rl.runtime import set_threads
from nextlat_rl.seeds import EVALUATION_SEED
from nextlat_rl.statistics import bootstrap_interval

_ENVS = 64  # imagined episodes side by side
_PPO = {"n_steps": 64, "batch_size": 512, "n_epochs": 4, "learning_rate": 5e-4, "ent_coef": 0.01}
_QUICK_STEPS = 2 * 64 * 64

# Whose beliefs the agent acts on for real, and what the rows add to its name: it was trained on the first.
_ACTINGS: dict[Acting, str] = {"recurrent": "", "trunk": ", by the trunk"}


def rows(part: str, seed: int, options: Options, console: Console) -> Iterator[Row]:
    """The main job, then every dreamer."""
    task = DREAMS[part]
    with tempfile.TemporaryDirectory() as folder:
        trained = train(TrainJob("sb3", part, task.env, seed, task.options), options, console, folder)
        yield from trained
        with data_in(folder):
            world_model = WorldModel.load(trained[0].figure("run"), "cpu")
            starts = start_beliefs(world_model, list_datasets(), 2000, anywhere=True, seed=seed)
    set_threads(1)  # the networks are tiny: more threads only wait for each other
    shared = {"env": trained[0].env, "run": trained[0].figure("run")}
    deterministic, before = trained[0].figure("deterministic"), trained[0].figure("command_seconds")
    for dreamer in DREAMERS:
        found = dream_rows(world_model, starts, task, dreamer, deterministic, seed, options.quick, console)
        for values in found:
            values["command_seconds"] = before + values["ppo_seconds"]
            source = provenance(seed=seed, device="cpu", cores=1)
            row = make_row("sb3", part, values["agent"], source, values | shared)
            tell(row, console)
            yield row


def dream_rows(
    world_model: WorldModel,
    starts: Tensor,
    task: Dream,
    dreamer: Dreamer,
    deterministic: bool,
    seed: int,
    quick: bool,
    console: Console,
) -> list[dict[str, Any]]:
    """Train one of the `DREAMERS` and play it, imagined (nothing is cut or charged then) and for real.

    Figures of beliefs as they were imagined, carried by the latent dynamics, and of the trunk's.
    """
    steps, episodes = (_QUICK_STEPS, 64) if quick else (task.steps, 500)
    started = time.monotonic()
    agent = _dreamt(world_model, starts, task, dreamer, steps, seed, console)
    seconds = time.monotonic() - started
    imagined = ImaginedVecEnv(world_model, _ENVS, starts, task.horizon, seed + 1)
    dreams, _ = play(agent, imagined, episodes, task.horizon, deterministic)
    shared = {"imagined_steps": int(agent.num_timesteps), "new_real_steps": 0, "ppo_seconds": seconds}
    found = []
    for acting, name in _ACTINGS.items():
        belief_env = make_belief_env(world_model, 50, EVALUATION_SEED, acting)
        real, early = play(agent, belief_env, episodes, task.horizon, deterministic)
        low, high = bootstrap_interval(real)
        values: dict[str, Any] = {"agent": dreamer.name + name, "imagined_return": float(np.mean(dreams)), **shared}
        values |= {"return_mean": float(np.mean(real)), "return_ci_low": low, "return_ci_high": high}
        values |= {"episodes": len(real), "real_return_same_horizon": float(np.mean(early))}
        found.append(values | {"imagined_gap": float(np.mean(dreams) - np.mean(early))})
    return found


def _dreamt(
    world_model: WorldModel, starts: Tensor, task: Dream, dreamer: Dreamer, steps: int, seed: int, console: Console
) -> PPO:
    """PPO trained on imagined steps alone."""
    limit = uncertainty_limit(starts, dreamer.within) if dreamer.within else None
    begin: dict[str, Any] = (
        {"policy": BeliefPolicy, "policy_kwargs": {"world_model": world_model}} if dreamer.heads else {}
    )
    imagined = VecMonitor(ImaginedVecEnv(world_model, _ENVS, starts, task.horizon, seed, limit, dreamer.price))
    agent = PPO(env=imagined, seed=seed, device="cpu", **{"policy": "MlpPolicy", **_PPO, **begin})
    with bar(console, dreamer.name, steps, "steps") as shown:
        agent.learn(steps, callback=Progress(shown.update))
    return agent


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
