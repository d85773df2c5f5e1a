"""Whether a job can work in an environment and on this machine, found out before anything long begins."""

import tempfile
from pathlib import Path
from typing import Any

import gymnasium as gym

from nextlat_rl.data.disk import ROOT_VARIABLE, explain_disk_errors
from nextlat_rl.data.minari_io import dataset_root
from nextlat_rl.data.space_check import check_supported
from nextlat_rl.data.store import CACHE_VARIABLE, default_cache
from nextlat_rl.errors import UserError
from nextlat_rl.spaces import codec_class, flatten_list, leaves

_STEPS = 3


def check_environment(env: gym.Env, seed: int) -> None:
    """Require spaces that models are made for, and take a few random steps whose observations fit them.

    Args:
        env: is reset.
        seed: of the episode.

    Raises:
        UserError: naming the part of the space, or the place where the environment fails.
    """
    check_supported(env.observation_space, env.action_space)
    env.action_space.seed(seed)
    seen = [env.reset(seed=seed)[0]]
    for _ in range(_STEPS):
        try:
            action = env.action_space.sample()
        except OverflowError as error:
            raise UserError(f"no action can be drawn from {env.action_space} ({error}): narrow its bounds") from None
        observation, _, terminated, truncated, _ = env.step(action)
        seen.append(observation)
        if terminated or truncated:
            break
    check_encoded(env.observation_space, seen)


def check_encoded(space: gym.Space, observations: list[Any]) -> None:
    """Require observations that the codecs of `space` can store.

    Raises:
        UserError: naming the part.
    """
    parts = flatten_list(space, observations)
    for name, leaf in leaves(space).items():
        try:
            codec_class(leaf, "observation").encode(leaf, parts[name])
        except UserError as error:
            raise UserError(f"the environment's '{name}': {error}") from None


def check_folders(runs: str = "") -> None:
    """Require that data sets, stores and, if given, runs can be written.

    Raises:
        UserError: naming the folder and the setting that chooses another.
    """
    check_folder(dataset_root(), ROOT_VARIABLE)
    check_folder(default_cache(), CACHE_VARIABLE)
    if runs:
        check_folder(Path(runs), "runs=")


def check_folder(folder: Path, setting: str) -> None:
    """Require that a folder can be written; it is made if need be.

    Raises:
        UserError: naming the folder and the setting that chooses another.
    """
    with explain_disk_errors(folder, setting):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
