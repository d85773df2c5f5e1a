"""A Minari data set into the replay buffer of an off-policy SB3 agent."""

from typing import Any

import gymnasium as gym
import numpy as np
from minari import MinariDataset
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm

from nextlat_rl.data.minari_io import load_dataset
from nextlat_rl.data.rows import stored_episodes
from nextlat_rl.data.space_check import check_spaces
from nextlat_rl.envs.sb3.border import SB3Border
from nextlat_rl.errors import UserError


def load_offline(model: OffPolicyAlgorithm, data: str | MinariDataset) -> int:
    """Fill the replay buffer of a DQN, SAC or TD3 with a data set's transitions; returns how many there are.

    Values that do not count from 0 are shifted, as SB3's agents count from 0. Episodes that a time limit cut are marked
    as such, so their values are bootstrapped. Several environments share a buffer's columns; what is left over by their
    number is dropped.

    Raises:
        UserError: no such data set, spaces that are not the agent's, a buffer too small or already in use.
    """
    dataset = load_dataset(data) if isinstance(data, str) else data
    buffer = model.replay_buffer
    if buffer is None or isinstance(model.observation_space, gym.spaces.Dict):
        raise UserError("load_offline needs an off-policy agent with array observations: DQN, SAC or TD3 on a Box")
    if buffer.pos or buffer.full:
        raise UserError("the replay buffer is in use: call load_offline before learn")
    observed, acted = SB3Border(dataset.observation_space), SB3Border(dataset.action_space)
    given = [
        border.outside if border.inside == space else space
        for border, space in ((observed, model.observation_space), (acted, model.action_space))
    ]
    check_spaces(dataset.observation_space, dataset.action_space, *given)
    columns = _transitions(dataset)
    columns["actions"] = acted.to_inside(columns["actions"])
    for name in ("observations", "next_observations"):
        columns[name] = observed.to_inside(columns[name])
    if isinstance(model.action_space, gym.spaces.Box):
        columns["actions"] = model.policy.scale_action(columns["actions"])
    total = len(columns["rewards"]) // buffer.n_envs * buffer.n_envs
    if total > buffer.buffer_size * buffer.n_envs:
        raise UserError(f"the data set has {total:,} transitions: make the agent with buffer_size={total}")
    for name, values in columns.items():
        _fill(buffer, name, values[:total])
    rows = total // buffer.n_envs
    buffer.pos, buffer.full = rows % buffer.buffer_size, rows == buffer.buffer_size
    return total


def _transitions(dataset: MinariDataset) -> dict[str, np.ndarray]:
    """The buffer's arrays, `[T, *]` over all episodes."""
    parts: dict[str, list[Any]] = {
        name: [] for name in ("observations", "next_observations", "actions", "rewards", "dones", "timeouts")
    }
    for episode in stored_episodes(dataset):
        terminated = np.asarray(episode.terminations, dtype=bool)
        cut = np.asarray(episode.truncations, dtype=bool) & ~terminated
        cut[-1] |= not terminated[-1]  # data that stops without an end was cut
        parts["observations"].append(episode.observations[:-1])
        parts["next_observations"].append(episode.observations[1:])
        parts["actions"].append(episode.actions)
        parts["rewards"].append(episode.rewards)
        parts["dones"].append(terminated | cut)
        parts["timeouts"].append(cut)
    return {name: np.concatenate(values) for name, values in parts.items()}


def _fill(buffer: ReplayBuffer, name: str, values: np.ndarray) -> None:
    """Write `values: [T, *]` from the buffer's beginning, T in rows of `n_envs`."""
    rows = len(values) // buffer.n_envs
    if name == "next_observations" and buffer.optimize_memory_usage:
        raise UserError("load_offline does not work with optimize_memory_usage=True: leave it out")
    target = getattr(buffer, name)
    target[:rows] = values.reshape(rows, buffer.n_envs, *target.shape[2:])
