"""Episodes in chunks of encoded rows, T+1 rows for an episode of T transitions."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import gymnasium as gym
import numpy as np
from minari import EpisodeData, MinariDataset

from nextlat_rl.data.episode import Episode, check_episode
from nextlat_rl.data.minari_io import columns
from nextlat_rl.errors import UserError
from nextlat_rl.notices import notice
from nextlat_rl.spaces import codec_class, flatten, leaves
from nextlat_rl.spaces.codec import Role

CHUNK_ROWS = 4096


@dataclass(frozen=True)
class Rows:
    """The rows of whole episodes after each other, R in all; an episode's last row has no transition (zeros there)."""

    observation: dict[str, np.ndarray]  # leaf -> [R, *storage_shape]
    action: np.ndarray  # [R, *storage_shape]
    reward: np.ndarray  # [R] float32
    terminated: np.ndarray  # [R] bool
    truncated: np.ndarray  # [R] bool
    lengths: np.ndarray  # [E] int64, rows of each episode

    def returns(self) -> np.ndarray:
        """Undiscounted return of each episode, `[E]` float64."""
        return np.add.reduceat(self.reward, np.cumsum(self.lengths) - self.lengths, dtype=np.float64)


@dataclass(frozen=True)
class _Source:
    """Where episodes come from: a name for messages, and the spaces of their elements."""

    name: str
    observation_space: gym.Space
    action_space: gym.Space


def read_rows(dataset: MinariDataset) -> Iterator[Rows]:
    """Yield the episodes of a data set in order, in chunks of about `CHUNK_ROWS` rows.

    Raises:
        UserError: naming the data set and the episode, for unreadable files, columns of unequal length, numbers that
            are not finite (with the step), and values outside their space.
    """
    source = _Source(f"data set '{dataset.id}'", dataset.observation_space, dataset.action_space)
    return _chunks(source, stored_episodes(dataset))


def rows_of_episodes(
    observation_space: gym.Space, action_space: gym.Space, episodes: Iterable[Episode]
) -> Iterator[Rows]:
    """Yield episodes that are in memory as `read_rows` yields those of a data set; the same errors."""

    def recorded() -> Iterator[EpisodeData]:
        for index, episode in enumerate(episodes):
            check_episode(index, episode)
            yield EpisodeData(
                id=index,
                observations=columns(observation_space, episode.observations),
                actions=columns(action_space, episode.actions),
                rewards=np.asarray(episode.rewards, dtype=np.float64),
                terminations=np.asarray(episode.terminations, dtype=bool),
                truncations=np.asarray(episode.truncations, dtype=bool),
                infos={},
            )

    return _chunks(_Source("episodes in memory", observation_space, action_space), recorded())


def _chunks(source: _Source, episodes: Iterable[EpisodeData]) -> Iterator[Rows]:
    chunk: list[EpisodeData] = []
    size = 0
    for episode in episodes:
        _check(source, episode)
        chunk.append(episode)
        size += len(episode.rewards) + 1
        if size >= CHUNK_ROWS:
            yield _encode(source, chunk)
            chunk, size = [], 0
    if chunk:
        yield _encode(source, chunk)


def stored_episodes(dataset: MinariDataset) -> Iterator[EpisodeData]:
    """The episodes of a data set that have steps, with rewards and flags `[T]` where the file has `[T, 1]`.

    Raises:
        UserError: naming the data set and the episode, for unreadable files.
    """
    episodes = iter(dataset.iterate_episodes())
    for index in dataset.episode_indices:
        try:
            episode = next(episodes)
        except Exception as error:  # of many types from HDF5, Arrow and Minari
            raise UserError(
                f"data set '{dataset.id}' cannot be read at episode {index}: the files in {dataset.storage.data_path} "
                f"are broken ({type(error).__name__}: {error}); collect or download it again"
            ) from error
        if not len(episode):
            notice(f"data set '{dataset.id}' has episodes without a step, which are left out")
            continue
        flat = {name: _flat(getattr(episode, name)) for name in ("rewards", "terminations", "truncations")}
        yield replace(episode, **flat)


def _flat(column: Any) -> np.ndarray:
    array = np.asarray(column)
    return array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array


def _check(source: _Source, episode: EpisodeData) -> None:
    place = f"{source.name}, episode {episode.id}"
    observation = flatten(source.observation_space, episode.observations)
    reward = np.asarray(episode.rewards, dtype=np.float32)
    steps = len(reward)
    lengths = {f"observations of '{leaf}'": len(values) - 1 for leaf, values in observation.items()}
    lengths |= {"actions": len(episode.actions)}
    lengths |= {"terminations": len(episode.terminations), "truncations": len(episode.truncations)}
    for name, length in lengths.items():
        if length != steps or reward.ndim != 1:
            found = length + 1 if name.startswith("observations") else length
            raise UserError(
                f"{place}: {found} {name} for rewards of shape {reward.shape}, expected T+1 observations and T of "
                "everything else; the file was cut short or is not a Minari episode"
            )
    for name, values in {**observation, "action": episode.actions, "reward": reward}.items():
        _check_finite(place, name, values)


def _check_finite(place: str, name: str, values: Any) -> None:
    if not isinstance(values, np.ndarray) or values.dtype.kind != "f":
        return
    finite = np.isfinite(values)
    if not finite.all():
        step = np.argwhere(~finite)[0][0]
        raise UserError(f"{place}, step {step}: '{name}' is {values[step]}, not finite; remove or repair the episode")


def _encode(source: _Source, chunk: list[EpisodeData]) -> Rows:
    lengths = np.array([len(episode.rewards) + 1 for episode in chunk], dtype=np.int64)
    has_action = np.ones(lengths.sum(), dtype=bool)
    has_action[np.cumsum(lengths) - 1] = False

    def spread(values: np.ndarray) -> np.ndarray:
        rows = np.zeros((len(has_action), *values.shape[1:]), dtype=values.dtype)
        rows[has_action] = values
        return rows

    def column(name: str, dtype: type) -> np.ndarray:
        return spread(np.concatenate([np.asarray(getattr(episode, name), dtype) for episode in chunk]))

    indices = [int(episode.id) for episode in chunk]
    observations = [flatten(source.observation_space, episode.observations) for episode in chunk]
    actions = [episode.actions for episode in chunk]
    return Rows(
        observation={
            leaf: _encode_leaf(source.name, space, "observation", indices, [parts[leaf] for parts in observations])
            for leaf, space in leaves(source.observation_space).items()
        },
        action=spread(_encode_leaf(source.name, source.action_space, "action", indices, actions)),
        reward=column("rewards", np.float32),
        terminated=column("terminations", bool),
        truncated=column("truncations", bool),
        lengths=lengths,
    )


def _encode_leaf(source: str, space: gym.Space, role: Role, indices: list[int], parts: list[Any]) -> np.ndarray:
    """Encode one leaf of all episodes in one go; on a bad value go through them singly to name the episode."""
    codec = codec_class(space, role)
    try:
        return codec.encode(space, list(chain(*parts)) if isinstance(parts[0], list) else np.concatenate(parts))
    except UserError:
        for index, part in zip(indices, parts, strict=True):
            try:
                codec.encode(space, part)
            except UserError as error:
                raise UserError(f"{source}, episode {index}: {error}") from error
        raise
