"""Check that a data set and an environment have the same observation and action spaces."""

import gymnasium as gym
import numpy as np

from nextlat_rl.errors import UserError
from nextlat_rl.spaces import leaves


def _equal(first: gym.Space, second: gym.Space) -> bool:
    """Whether two leaf spaces hold the same elements; texts always do, box bounds are compared with a tolerance."""
    if isinstance(first, gym.spaces.Text) and isinstance(second, gym.spaces.Text):
        return True
    if isinstance(first, gym.spaces.Box) and isinstance(second, gym.spaces.Box):
        return (
            first.shape == second.shape
            and first.dtype == second.dtype
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
        if isinstance(first, str) or isinstance(second, str) or not _equal(first, second):
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
