"""Check that spaces are supported, and that a data set and an environment have the same ones."""

import gymnasium as gym
import numpy as np

from nextlat_rl.errors import UserError
from nextlat_rl.spaces import codec_class, leaves
from nextlat_rl.spaces.tree import ROOT


def _equal(role: str, first: gym.Space, second: gym.Space) -> bool:
    """Whether two leaf spaces hold the same elements; texts always do, bounds are compared with a tolerance.

    All floats are stored as float32; but an environment may refuse actions of another width than its own.
    """
    observed = role == "observation"
    if isinstance(first, gym.spaces.Text) and isinstance(second, gym.spaces.Text):
        return True
    if isinstance(first, gym.spaces.Box) and isinstance(second, gym.spaces.Box):
        return (
            first.shape == second.shape
            and (first.dtype == second.dtype or (observed and first.dtype.kind == second.dtype.kind == "f"))
            and np.allclose(first.low, second.low)
            and np.allclose(first.high, second.high)
        )
    if isinstance(first, gym.spaces.MultiBinary) and isinstance(second, gym.spaces.MultiBinary):
        return first.shape == second.shape  # `n` may be a list or a tuple
    return bool(first == second)


def _check(role: str, dataset_space: gym.Space, env_space: gym.Space) -> None:
    of_dataset, of_env = leaves(dataset_space), leaves(env_space)
    for name in {**of_dataset, **of_env}:
        first, second = of_dataset.get(name, "nothing"), of_env.get(name, "nothing")
        if isinstance(first, str) or isinstance(second, str) or not _equal(role, first, second):
            label = role if name == "observation" else f"{role} '{name}'"
            raise UserError(
                f"data set and environment do not fit: {label} is {first} in the data set and {second} in the "
                "environment; choose the environment the data was collected in, or collect data in this one"
            )


def check_spaces(
    dataset_observation_space: gym.Space,
    dataset_action_space: gym.Space,
    env_observation_space: gym.Space,
    env_action_space: gym.Space,
) -> None:
    """Raise UserError, naming the leaf and both spaces, when data set and environment do not have the same spaces."""
    _check("observation", dataset_observation_space, env_observation_space)
    _check("action", dataset_action_space, env_action_space)


def check_supported(observation_space: gym.Space, action_space: gym.Space) -> None:
    """Require that every part of an environment's spaces has a codec and a place in a data set.

    Raises:
        UserError: naming the part, and what could take its place.
    """
    for name, space in leaves(observation_space).items():
        try:
            codec_class(space, "observation").storage(space)
        except UserError as error:
            raise UserError(f"part '{name}': {error}" if name != ROOT else str(error)) from None
    codec_class(action_space, "action").storage(action_space)
    _check_keys(observation_space)


def _check_keys(space: gym.Space) -> None:
    """HDF5 reads "/" as a folder and "." as the same one; every other key has a place there."""
    if isinstance(space, gym.spaces.Tuple):
        for part in space.spaces:
            _check_keys(part)
    if isinstance(space, gym.spaces.Dict):
        for key, part in space.items():
            if not isinstance(key, str) or not key or "/" in key or "\0" in key or set(key) == {"."}:
                raise UserError(f"data sets cannot hold the key {key!r} of {space}: rename it, without '/'")
            _check_keys(part)
