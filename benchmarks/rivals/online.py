"""PPO and DQN of Stable-Baselines3, trained on real steps.

Each is scored twice, by its most likely actions and by drawn ones (DQN: the exploration of its training): without
memory a policy that always does the same in the same view may never get out of a corner.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from rich.console import Console
from stable_baselines3 import DQN, PPO
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv

from benchmarks.options import Options
from benchmarks.rivals import Trained
from benchmarks.rivals.progress import Progress
from nextlat_rl.console import bar
from nextlat_rl.envs import make_env
from nextlat_rl.envs.sb3.features import FeatureWrapper

_REAL_STEPS = (200_000, 1_000_000)
_REAL_ENVS = 8
_ALGORITHMS: dict[str, tuple[Any, dict[str, Any]]] = {
    "PPO": (PPO, {"n_steps": 256, "batch_size": 256, "n_epochs": 10, "learning_rate": 5e-4, "ent_coef": 0.01}),
    "DQN": (
        DQN,
        {
            "learning_rate": 5e-4,
            "buffer_size": 100_000,
            "batch_size": 128,
            "learning_starts": 5_000,
            "target_update_interval": 2_000,
            "gradient_steps": 2,
            "exploration_fraction": 0.2,
            "policy_kwargs": {"net_arch": [256, 256]},
        },
    ),
}


def train(kind: str, env_id: str, seed: int, options: Options, console: Console) -> Iterator[Trained]:
    """Train on real steps; the policy after each of `_REAL_STEPS`, in both ways to act."""
    envs = DummyVecEnv([lambda: Monitor(FeatureWrapper(make_env(env_id)))] * _REAL_ENVS)
    envs.seed(seed * 1_000_000)
    algorithm, settings = _ALGORITHMS[kind]
    model = algorithm("MlpPolicy", envs, seed=seed, device="cpu", **settings)
    seconds = 0.0
    for steps in (4096, 8192) if options.quick else _REAL_STEPS:
        started = time.monotonic()
        with bar(console, f"{kind} on real steps", steps, "steps") as shown:
            model.learn(
                steps - model.num_timesteps,
                callback=Progress(shown.update),
                reset_num_timesteps=model.num_timesteps == 0,
            )
        seconds += time.monotonic() - started
        for way, deterministic in (("most likely", True), ("drawn", False)):
            title = f"SB3 {kind}, {steps:,} real steps, {way} actions"
            yield Trained(title, partial(_predicted, model, deterministic), seconds, int(model.num_timesteps))
    envs.close()


def _predicted(model: Any, deterministic: bool, seen: np.ndarray) -> np.ndarray:
    actions: np.ndarray = model.predict(seen, deterministic=deterministic)[0]
    return actions
