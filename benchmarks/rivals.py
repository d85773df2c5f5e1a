"""The rivals of the main job, scored on the same evaluation episodes by the same loop.

PPO and DQN of Stable-Baselines3 learn from real steps, behaviour cloning and CQL of d3rlpy from the main job's own data
set. All see one-hot features of the current observation, as the `sb3` behaviour does. PPO and DQN are scored twice, by
their most likely actions and by drawn ones (DQN: the exploration of its training): without memory a policy that always
does the same in the same view may never get out of a corner.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from omegaconf import OmegaConf
from rich.console import Console
from stable_baselines3 import DQN, PPO
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv

from benchmarks.main_job import data_in
from benchmarks.sb3 import Progress
from nextlat_rl.agents.episodes import evaluation_seeds, run_episodes
from nextlat_rl.config import BenchmarkConfig, TrainConfig
from nextlat_rl.console import bar
from nextlat_rl.data.minari_io import load_dataset
from nextlat_rl.envs import make_env
from nextlat_rl.envs.behaviours.random import useful_actions
from nextlat_rl.envs.sb3.features import FeatureWrapper
from nextlat_rl.errors import UserError
from nextlat_rl.jobs.collection import ensure_dataset
from nextlat_rl.jobs.evaluation import summary
from nextlat_rl.results import git_revision
from nextlat_rl.runtime import set_threads

RIVAL_TASKS = ("rival-random", "rival-PPO", "rival-DQN", "rival-d3rlpy")

_ENV, _BEHAVIOUR, _DATA_STEPS = "MiniGrid-FourRooms-v0", "explorer", 200_000
_REAL_STEPS = (200_000, 1_000_000)
_REAL_ENVS = 8
_OFFLINE_STEPS = 20_000
_EPISODES = 500
_PPO = {"n_steps": 256, "batch_size": 256, "n_epochs": 10, "learning_rate": 5e-4, "ent_coef": 0.01}
_DQN = {
    "learning_rate": 5e-4,
    "buffer_size": 100_000,
    "batch_size": 128,
    "learning_starts": 5_000,
    "target_update_interval": 2_000,
    "gradient_steps": 2,
    "exploration_fraction": 0.2,
    "policy_kwargs": {"net_arch": [256, 256]},
}

Choose = Callable[[np.ndarray], np.ndarray]
"""Features `[N, F]` to actions `[N]`."""


class FeatureAgent:
    """A policy that sees nothing but the features of the current observation, playing in batches."""

    def __init__(self, env_id: str, choose: Choose) -> None:
        self._features = FeatureWrapper(make_env(env_id))
        self._choose = choose

    def act(
        self,
        observations: Sequence[Any],
        rewards: Sequence[float],
        is_first: Sequence[bool],
        episodes: Sequence[int],
    ) -> list[Any]:
        """One action per environment."""
        seen = np.stack([self._features.observation(observation) for observation in observations])
        return [int(action) for action in self._choose(seen)]


def rival_rows(name: str, seed: int, config: BenchmarkConfig, console: Console) -> list[dict[str, Any]]:
    """The rows of one rival; d3rlpy's only where `config.d3rlpy` names a Python that has it."""
    set_threads(1)  # the networks are small: more threads only wait for each other
    scored = partial(_scored, name, seed, config.quick, console)
    if name == "rival-random":
        return [scored("random", _random(seed), 0.0, env_steps=0)]
    if name != "rival-d3rlpy":
        return _online(name.removeprefix("rival-"), seed, config.quick, console, scored)
    if config.d3rlpy:
        return _offline(seed, config, console, scored)
    console.print("d3rlpy=<a Python that has d3rlpy> is not given: behaviour cloning and CQL are left out")
    return []


def _scored(
    name: str, seed: int, quick: bool, console: Console, agent: str, choose: Choose, seconds: float, **more: Any
) -> dict[str, Any]:
    """The row of `agent`, which took `seconds` to train, after its evaluation."""
    seeds = evaluation_seeds(8 if quick else _EPISODES)
    with bar(console, f"Evaluating ({agent})", len(seeds), "episodes") as shown:
        done = iter(range(1, len(seeds) + 1))
        results, timing = run_episodes(_ENV, FeatureAgent(_ENV, choose), seeds, 8, lambda _: shown.update(next(done)))
    row = summary(results, timing) | {"part": name, "env": _ENV, "agent": agent, "seed": seed, "cores": 1}
    row |= {"target": None, "command_seconds": seconds, "git_revision": git_revision()} | more
    console.print(
        f"  {agent}, seed {seed}: return {row['return_mean']:.3f} [{row['return_ci_low']:.3f}, "
        f"{row['return_ci_high']:.3f}], {seconds / 60:.1f} min",
        highlight=False,
    )
    return row


def _random(seed: int) -> Choose:
    env = make_env(_ENV)
    env.reset(seed=0)
    actions, rng = np.asarray(useful_actions(env)), np.random.default_rng(seed)
    return lambda seen: rng.choice(actions, len(seen))


def _online(
    kind: str, seed: int, quick: bool, console: Console, scored: Callable[..., dict[str, Any]]
) -> list[dict[str, Any]]:
    """Train on real steps, scored after each of `_REAL_STEPS`."""
    envs = DummyVecEnv([lambda: Monitor(FeatureWrapper(make_env(_ENV)))] * _REAL_ENVS)
    envs.seed(seed * 1_000_000)
    cls, settings = (PPO, _PPO) if kind == "PPO" else (DQN, _DQN)
    model: Any = cls("MlpPolicy", envs, seed=seed, device="cpu", **settings)
    started, rows, spent = time.monotonic(), [], 0.0
    for steps in (4096, 8192) if quick else _REAL_STEPS:
        with bar(console, f"{kind} on real steps", steps, "steps") as shown:
            model.learn(
                steps - model.num_timesteps,
                callback=Progress(shown.update),
                reset_num_timesteps=model.num_timesteps == 0,
            )
        began = time.monotonic()
        for way, deterministic in (("most likely", True), ("drawn", False)):
            choose = partial(_predicted, model, deterministic)
            title = f"SB3 {kind}, {steps:,} real steps, {way} actions"
            seconds = began - started - spent
            rows.append(scored(title, choose, seconds, env_steps=model.num_timesteps))
        spent += time.monotonic() - began
    envs.close()
    return rows


def _predicted(model: Any, deterministic: bool, seen: np.ndarray) -> np.ndarray:
    actions: np.ndarray = model.predict(seen, deterministic=deterministic)[0]
    return actions


def _offline(
    seed: int, config: BenchmarkConfig, console: Console, scored: Callable[..., dict[str, Any]]
) -> list[dict[str, Any]]:
    """Train d3rlpy's algorithms on the data set that the main job gathers with this seed."""
    rows = []
    with tempfile.TemporaryDirectory() as folder, data_in(folder):
        settings: TrainConfig = OmegaConf.to_object(OmegaConf.structured(TrainConfig))  # type: ignore[assignment]
        settings.env.id, settings.collect.behaviour = _ENV, _BEHAVIOUR
        settings.collect.steps = 3_000 if config.quick else _DATA_STEPS
        settings.collect.seed = seed * 1_000_000
        dataset_id, _ = ensure_dataset("auto", _ENV, settings.collect, {}, console)
        data = Path(folder) / "data.npz"
        np.savez(data, allow_pickle=False, **_features_of(dataset_id))
        for kind, title in (("bc", "d3rlpy BC"), ("cql", "d3rlpy CQL")):
            policy = Path(folder) / f"{kind}.pt"
            steps = 200 if config.quick else _OFFLINE_STEPS
            script = str(Path(__file__).with_name("rival_d3rlpy.py"))
            command = [config.d3rlpy, script, str(data), str(policy), kind, str(steps), str(seed)]
            console.print(f"{title}: {steps:,} steps of 256", highlight=False)
            started = time.monotonic()
            environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
            done = subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, text=True, check=False)
            if done.returncode != 0:
                raise UserError(f"{title} failed; does d3rlpy={config.d3rlpy} name a Python that has d3rlpy?")
            seconds = time.monotonic() - started
            rows.append(scored(f"{title}, the same data", _scripted(policy), seconds, env_steps=_DATA_STEPS))
    return rows


def _scripted(policy: Path) -> Choose:
    network = torch.jit.load(str(policy))
    return lambda seen: network(torch.from_numpy(seen)).numpy()


def _features_of(dataset_id: str) -> dict[str, np.ndarray]:
    """Features, actions, rewards and ends of all transitions, in d3rlpy's layout."""
    features, env = FeatureWrapper(make_env(_ENV)), make_env(_ENV)
    parts: dict[str, list[np.ndarray]] = {
        name: [] for name in ("observations", "actions", "rewards", "terminals", "timeouts")
    }
    for episode in load_dataset(dataset_id).iterate_episodes():
        count = len(episode.actions)
        seen = [
            features.observation({name: leaf[t] for name, leaf in episode.observations.items()}) for t in range(count)
        ]
        parts["observations"].append(np.stack(seen))
        parts["actions"].append(np.asarray(episode.actions))
        parts["rewards"].append(np.asarray(episode.rewards, dtype=np.float32))
        terminal = np.asarray(episode.terminations, dtype=np.float32)
        timeout = np.zeros_like(terminal)
        timeout[-1] = 1 - terminal[-1]
        parts["terminals"].append(terminal)
        parts["timeouts"].append(timeout)
    joined = {name: np.concatenate(values) for name, values in parts.items()}
    return joined | {"action_size": np.asarray(int(env.action_space.n))}  # type: ignore[attr-defined]
