"""Behaviour cloning and CQL of d3rlpy, trained on the data set that the main job collects with the same seed.

d3rlpy pins another gymnasium, so another Python runs it: `d3rlpy=<python>` names one that has it.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import gymnasium as gym
import numpy as np
import torch
from minari import MinariDataset
from rich.console import Console

from benchmarks.jobs import data_in
from benchmarks.options import Options
from benchmarks.rivals import Choose, Trained
from nextlat_rl import collect_dataset, make_env
from nextlat_rl.envs.sb3.features import FeatureWrapper
from nextlat_rl.errors import UserError

_STEPS = 20_000
_ALGORITHMS = {"bc": "d3rlpy BC", "cql": "d3rlpy CQL"}
_SCRIPT = Path(__file__).with_name("d3rlpy_script.py")


def train(
    env_id: str, behaviour: str, data_steps: int, seed: int, options: Options, console: Console
) -> Iterator[Trained]:
    """Train both algorithms on the same data.

    Raises:
        UserError: `d3rlpy=` is missing, or that Python cannot run them.

    """
    if not options.d3rlpy:
        raise UserError("rival-d3rlpy needs d3rlpy=<a Python that has d3rlpy>")
    with tempfile.TemporaryDirectory() as folder, data_in(folder):
        steps = 3_000 if options.quick else data_steps
        dataset = collect_dataset(env_id, behaviour, steps, seed=seed * 1_000_000)
        data = Path(folder) / "data.npz"
        np.savez(data, allow_pickle=False, **_features_of(env_id, dataset))
        for kind, title in _ALGORITHMS.items():
            started = time.monotonic()
            policy = _fit(kind, data, seed, options, console)
            yield Trained(f"{title}, the same data", policy, time.monotonic() - started, data_steps)


def _fit(kind: str, data: Path, seed: int, options: Options, console: Console) -> Choose:
    """Train one algorithm in the other Python; its policy."""
    policy, steps = data.with_name(f"{kind}.pt"), 200 if options.quick else _STEPS
    console.print(f"{_ALGORITHMS[kind]}: {steps:,} steps of 256", highlight=False)
    command = [options.d3rlpy, str(_SCRIPT), str(data), str(policy), kind, str(steps), str(seed)]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    try:
        subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)
    except (OSError, subprocess.SubprocessError):
        raise UserError(
            f"{_ALGORITHMS[kind]} failed; does d3rlpy={options.d3rlpy} name a Python that has it?"
        ) from None
    network = torch.jit.load(str(policy))
    return lambda seen: network(torch.from_numpy(seen)).numpy()


def _features_of(env_id: str, dataset: MinariDataset) -> dict[str, np.ndarray]:
    """Features, actions, rewards and ends of all transitions, in d3rlpy's layout."""
    features, action_space = FeatureWrapper(make_env(env_id)), make_env(env_id).action_space
    assert isinstance(action_space, gym.spaces.Discrete)
    parts: dict[str, list[np.ndarray]] = {
        name: [] for name in ("observations", "actions", "rewards", "terminals", "timeouts")
    }
    for episode in dataset.iterate_episodes():
        count = len(episode.actions)
        seen = [
            features.observation({name: leaf[t] for name, leaf in episode.observations.items()}) for t in range(count)
        ]
        terminal = np.asarray(episode.terminations, dtype=np.float32)
        timeout = np.zeros_like(terminal)
        timeout[-1] = 1 - terminal[-1]
        parts["observations"].append(np.stack(seen))
        parts["actions"].append(np.asarray(episode.actions))
        parts["rewards"].append(np.asarray(episode.rewards, dtype=np.float32))
        parts["terminals"].append(terminal)
        parts["timeouts"].append(timeout)
    joined = {name: np.concatenate(values) for name, values in parts.items()}
    return joined | {"action_size": np.asarray(int(action_space.n))}
