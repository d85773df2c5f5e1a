"""Gathering a data set, as a command of its own and as the first stage of training."""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from dataclasses import asdict
from typing import Any

from minari import MinariDataset
from rich.console import Console

from nextlat_rl.config import CollectCommand, CollectConfig
from nextlat_rl.console import bar, make_console
from nextlat_rl.data.minari_io import exists, load_dataset, load_datasets, write_dataset
from nextlat_rl.envs import make_env, resolve_env_id
from nextlat_rl.envs.episodes import collect_episodes, default_behaviour
from nextlat_rl.errors import UserError
from nextlat_rl.settings_check import check_collect


def collect(config: CollectCommand) -> None:
    """`python -m nextlat_rl.collect`."""
    check_collect(config)
    console = make_console(quiet=False)
    env_id = resolve_env_id(config.env.id)
    dataset_id = config.id or default_dataset_id(env_id, config, config.env.sb3)
    if exists(dataset_id):
        raise UserError(
            f"data set '{dataset_id}' exists already; choose another with id=, or train with data={dataset_id}"
        )
    gather(dataset_id, env_id, config, config.env.sb3, console)
    console.print(f"Next: python -m nextlat_rl.train env={env_id} data={dataset_id}", highlight=False)


def default_dataset_id(env_id: str, config: CollectConfig, sb3: dict[str, Any]) -> str:
    """A name that tells data sets of different settings apart."""
    behaviour = behaviour_of(env_id, config)
    settings = {key: value for key, value in asdict(config).items() if key in CollectConfig.__dataclass_fields__}
    settings = {
        **settings,
        "behaviour": behaviour,
        "workers": None,
        "sb3": sb3,
    }  # the workers do not change what is gathered
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:6]
    amount = f"{config.episodes}ep" if config.episodes else f"{config.steps}"
    slug = re.sub(r"[^A-Za-z0-9]+", "-", behaviour).strip("-")[:40]
    return f"nextlat_rl/{env_id}/{slug}-{amount}-{digest}-v0"


def behaviour_of(env_id: str, config: CollectConfig) -> str:
    """The behaviour asked for, or the environment's default."""
    return default_behaviour(env_id) if config.behaviour == "auto" else config.behaviour


def gather(dataset_id: str, env_id: str, config: CollectConfig, sb3: dict[str, Any], console: Console) -> MinariDataset:
    """Gather episodes and write them as a Minari data set, with a progress bar."""
    behaviour = behaviour_of(env_id, config)
    env = make_env(env_id)
    observation_space, action_space = env.observation_space, env.action_space
    env.close()
    total = config.episodes or config.steps
    started = time.monotonic()
    with bar(console, f"Gathering with {behaviour}", total, "episodes" if config.episodes else "steps") as shown:

        def on_progress(steps: int, episodes: int, mean_return: float) -> None:
            done = episodes if config.episodes else steps
            shown.update(min(done, total), f"{episodes} episodes, return {mean_return:.2f}")

        episodes = collect_episodes(
            env_id,
            behaviour,
            steps=None if config.episodes else config.steps,
            episodes=config.episodes,
            seed=config.seed,
            epsilon=config.epsilon,
            workers=config.workers or min(os.cpu_count() or 1, 8),
            sb3=sb3,
            on_progress=on_progress,
        )
        dataset = write_dataset(
            dataset_id,
            env_id,
            observation_space,
            action_space,
            episodes,
            behaviour=behaviour,
            epsilon=config.epsilon,
            requested_steps=None if config.episodes else config.steps,
        )
    console.print(
        f"Data set {dataset_id}: {dataset.total_episodes:,} episodes, {dataset.total_steps:,} steps, "
        f"{time.monotonic() - started:.0f} s",
        highlight=False,
    )
    return dataset


def ensure_dataset(
    data: str, env_id: str, config: CollectConfig, sb3: dict[str, Any], console: Console
) -> tuple[str, list[MinariDataset]]:
    """The data sets to train on; `auto` gathers the environment's own if it is not there.

    Raises:
        UserError: from gathering, or if a named data set is missing or broken.

    """
    if data != "auto":
        return data, load_datasets(data)
    dataset_id = default_dataset_id(env_id, config, sb3)
    if exists(dataset_id):
        console.print(f"Data set {dataset_id} is there already.", highlight=False)
        return dataset_id, [load_dataset(dataset_id)]
    console.print(f"No data set {dataset_id} yet: gathering it first.", highlight=False)
    return dataset_id, [gather(dataset_id, env_id, config, sb3, console)]
