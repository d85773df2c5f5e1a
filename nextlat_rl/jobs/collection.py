"""Gathering data sets."""

import hashlib
import json
import os
import re
import time
from dataclasses import fields
from typing import Any

from minari import MinariDataset
from rich.console import Console

from nextlat_rl.console import bar, make_console
from nextlat_rl.data.minari_io import exists, load_dataset, load_datasets, write_dataset
from nextlat_rl.envs import make_env, resolve_env_id
from nextlat_rl.envs.config import CollectConfig
from nextlat_rl.envs.episodes import collect_episodes, default_behaviour
from nextlat_rl.errors import UserError


def collect_dataset(
    env: str,
    behaviour: str = "auto",
    steps: int = 10_000,
    *,
    episodes: int | None = None,
    seed: int = 0,
    epsilon: float = 0.0,
    workers: int = 1,
    sb3: dict[str, Any] | None = None,
    dataset_id: str = "",
    quiet: bool = False,
) -> MinariDataset:
    """Gather episodes into a Minari data set; one that exists already under the same settings is returned as it is.

    Args:
        env: any Gymnasium id, the version may be left out; `module:Name-v0` imports `module` first.
        behaviour: `random`, `expert`, `explorer`, `sb3`, `sb3:model.zip`, `agent:runs/...`, or a mixture of them such
            as `explorer:0.9+random:0.1`; `auto` picks one that fits the environment.
        steps: environment steps to gather at least.
        episodes: number of episodes instead of steps.
        seed: seed of the first episode; episode i uses seed + i.
        epsilon: probability of a uniformly random action at each step.
        workers: processes that gather; 0 takes one per core, at most 8. More than one imports your script again, so
            its code has to stand under `if __name__ == "__main__":`.
        sb3: hyper-parameters of the `sb3` behaviour.
        dataset_id: name of the data set; empty derives one from the settings.
        quiet: no progress bar.

    Raises:
        UserError: unknown environment or behaviour, a value outside its range, a full disk.
    """
    config = CollectConfig(behaviour, steps, episodes, epsilon, seed, workers, sb3 or {})
    env_id = resolve_env_id(env)
    name = dataset_id or default_dataset_id(env_id, config)
    if exists(name):
        return load_dataset(name)
    return gather(name, env_id, config, make_console(quiet=False, silent=quiet))


def default_dataset_id(env_id: str, config: CollectConfig) -> str:
    """A name that tells data sets of different settings apart."""
    behaviour = behaviour_of(env_id, config)
    settings = {field.name: getattr(config, field.name) for field in fields(CollectConfig)}
    settings |= {"behaviour": behaviour, "workers": None}  # the workers do not change what is gathered
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:6]
    amount = f"{config.episodes}ep" if config.episodes else f"{config.steps}"
    short = re.sub(r"[^A-Za-z0-9]+", "-", behaviour).strip("-")[:40]
    return f"nextlat_rl/{slug(env_id)}/{short}-{amount}-{digest}-v0"


def slug(env_id: str) -> str:
    """The environment as part of a data set id, which takes letters, digits, `_`, `-` and `/`."""
    return re.sub(r"[^\w/-]", "-", env_id)


def behaviour_of(env_id: str, config: CollectConfig) -> str:
    """The behaviour asked for, or the environment's default."""
    return default_behaviour(env_id) if config.behaviour == "auto" else config.behaviour


def gather(dataset_id: str, env_id: str, config: CollectConfig, console: Console) -> MinariDataset:
    """Gather episodes and write them as a Minari data set, with a progress bar.

    Raises:
        UserError: see `collect_dataset`; also an id that is taken.
    """
    behaviour = behaviour_of(env_id, config)
    env = make_env(env_id)
    observation_space, action_space = env.observation_space, env.action_space
    env.close()
    total, unit = (config.episodes, "episodes") if config.episodes else (config.steps, "steps")
    amount = {"steps": None if config.episodes else config.steps, "episodes": config.episodes}
    started = time.monotonic()
    with bar(console, f"Gathering with {behaviour}", total, unit) as shown:

        def on_progress(steps: int, episodes: int, mean_return: float) -> None:
            done = episodes if config.episodes else steps
            shown.update(min(done, total), f"{episodes} episodes, return {mean_return:.2f}")

        episodes = collect_episodes(
            env_id,
            behaviour,
            **amount,
            seed=config.seed,
            epsilon=config.epsilon,
            workers=config.workers or min(os.cpu_count() or 1, 8),
            sb3=config.sb3,
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
            requested_steps=amount["steps"],
        )
    console.print(
        f"Data set {dataset_id}: {dataset.total_episodes:,} episodes, {dataset.total_steps:,} steps, "
        f"{time.monotonic() - started:.0f} s",
        highlight=False,
    )
    return dataset


def ensure_dataset(data: str, env_id: str, config: CollectConfig, console: Console) -> tuple[str, list[MinariDataset]]:
    """The data sets to train on; `auto` gathers the environment's own if it is not there.

    Raises:
        UserError: from gathering, or if a named data set is missing or broken.
    """
    if data != "auto":
        return data, load_datasets(data)
    dataset_id = default_dataset_id(env_id, config)
    if exists(dataset_id):
        console.print(f"Data set {dataset_id} is there already.", highlight=False)
        return dataset_id, [load_dataset(dataset_id)]
    console.print(f"No data set {dataset_id} yet: gathering it first.", highlight=False)
    try:
        return dataset_id, [gather(dataset_id, env_id, config, console)]
    except UserError:
        if not exists(dataset_id):
            raise
    console.print(f"Another command has gathered {dataset_id} meanwhile: taking it.", highlight=False)
    return dataset_id, [load_dataset(dataset_id)]


def check_new(dataset_id: str) -> None:
    """Require that no data set of this name exists.

    Raises:
        UserError: there is one.
    """
    if exists(dataset_id):
        raise UserError(
            f"data set '{dataset_id}' exists already; choose another with id=, or train with data={dataset_id}"
        )
