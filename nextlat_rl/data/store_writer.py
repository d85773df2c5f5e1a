"""Write a store: the arrays in one pass over the data set, then the statistics of what was written."""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import quote

import gymnasium as gym
import numpy as np
from minari import MinariDataset
from minari.serialization import serialize_space

from nextlat_rl.data.npy import NpyAppender
from nextlat_rl.data.rows import Rows, read_rows
from nextlat_rl.errors import UserError
from nextlat_rl.files import seal
from nextlat_rl.spaces import codec_class, leaves, reward_statistics
from nextlat_rl.spaces.box import BoxCodec
from nextlat_rl.spaces.codec import Role

FORMAT = 3
MANIFEST = "manifest.json"  # size and SHA-256 of every other file of a store
PER_ROW = ("action", "reward", "terminated", "truncated")
_SAMPLE_ROWS = 50_000
_SAMPLE_BYTES = 256 * 2**20


def leaf_file(leaf: str) -> str:
    """Name of an observation leaf's array inside a store, without the ending; "/" and the like are escaped."""
    return f"observation/{quote(leaf, safe='')}"


def write_store(
    datasets: Sequence[MinariDataset], folder: Path, on_progress: Callable[[int, int], None] | None
) -> None:
    """Fill `folder` with the store of the data sets; `on_progress` gets the episodes done and the episodes in all.

    Raises:
        UserError: see `rows.read_rows`; also when there is no episode, or the data sets do not go together.
        OSError: the disk is full.
    """
    dataset = datasets[0]
    for other in datasets[1:]:
        spaces = (other.observation_space, other.action_space)
        if spaces != (dataset.observation_space, dataset.action_space):
            raise UserError(f"data sets '{dataset.id}' and '{other.id}' have different spaces: train on one of them")
    lengths, returns = _write_arrays(datasets, folder, on_progress)
    starts = episode_starts(lengths)
    np.save(folder / "episode_start.npy", starts)
    np.save(folder / "episode_return.npy", returns)
    names = [leaf_file(leaf) for leaf in leaves(dataset.observation_space)] + list(PER_ROW)
    arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in names}
    meta = {
        "format": FORMAT,
        "dataset_id": joint_id(datasets),
        "observation_space": serialize_space(dataset.observation_space),
        "action_space": serialize_space(dataset.action_space),
        "statistics": measure(dataset.observation_space, dataset.action_space, arrays, starts),
        "summary": summary(lengths, returns),
    }
    (folder / "meta.json").write_text(json.dumps(meta), encoding="utf-8")
    files = {file.relative_to(folder).as_posix(): seal(file) for file in sorted(folder.rglob("*.*")) if file.is_file()}
    (folder / MANIFEST).write_text(json.dumps(files, indent=1), encoding="utf-8")


def joint_id(datasets: Sequence[MinariDataset]) -> str:
    """The ids of the data sets, joined with "+"."""
    return "+".join(dataset.id for dataset in datasets)


def _write_arrays(
    datasets: Sequence[MinariDataset], folder: Path, on_progress: Callable[[int, int], None] | None
) -> tuple[np.ndarray, np.ndarray]:
    """Write the arrays of N rows; return the rows and the undiscounted return of each episode, `[E]` both."""
    lengths: list[np.ndarray] = [np.empty(0, np.int64)]
    returns: list[np.ndarray] = [np.empty(0, np.float64)]
    with ExitStack() as stack:
        files: dict[str, NpyAppender] = {}
        for rows in chain.from_iterable(map(read_rows, datasets)):
            for name, array in named(rows).items():
                if name not in files:
                    files[name] = stack.enter_context(NpyAppender(folder / f"{name}.npy", array.dtype, array.shape[1:]))
                files[name].append(array)
            lengths.append(rows.lengths)
            returns.append(rows.returns())
            if on_progress is not None:
                on_progress(sum(map(len, lengths)), sum(dataset.total_episodes for dataset in datasets))
    if len(lengths) == 1:
        raise UserError(f"data set '{joint_id(datasets)}' has no episodes: collect some")
    return np.concatenate(lengths), np.concatenate(returns)


def named(rows: Rows) -> dict[str, np.ndarray]:
    """The arrays of R rows by the names that they have in a store."""
    arrays = {leaf_file(leaf): array for leaf, array in rows.observation.items()}
    return arrays | {name: getattr(rows, name) for name in PER_ROW}


def episode_starts(lengths: np.ndarray) -> np.ndarray:
    """First row of each episode, then the number of rows, `[E+1]`; `lengths: [E]` are in rows."""
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def measure(
    observation_space: gym.Space, action_space: gym.Space, arrays: Mapping[str, np.ndarray], starts: np.ndarray
) -> dict[str, Any]:
    """Statistics for the codecs: of all rewards, and of a random sample of the observations and the actions.

    Args:
        observation_space, action_space: of the episodes.
        arrays: `[N, ...]` of all rows by their names in a store.
        starts: `[E+1]`, see `episode_starts`.
    """
    has_action = np.ones(starts[-1], dtype=bool)
    has_action[starts[1:] - 1] = False
    observation = {
        leaf: _measure_array(arrays[leaf_file(leaf)], space, "observation")
        for leaf, space in leaves(observation_space).items()
    }
    action = _measure_array(arrays["action"], action_space, "action", has_action)
    rewards = reward_statistics(np.asarray(arrays["reward"][has_action]), np.asarray(arrays["terminated"][has_action]))
    for leaf, space in leaves(observation_space).items():
        observation[leaf] |= _measure_changes(arrays[leaf_file(leaf)], space, has_action)
    return {"observation": observation, "action": action, "reward": rewards}


def _measure_array(array: np.ndarray, space: gym.Space, role: Role, mask: np.ndarray | None = None) -> dict[str, Any]:
    row_bytes = max(1, array[0].nbytes)
    count = min(_SAMPLE_ROWS, max(1, _SAMPLE_BYTES // row_bytes), len(array))
    # Random, not evenly spaced: a stride can fall in step with episodes of equal length.
    rows = np.sort(np.random.default_rng(0).choice(len(array), count, replace=False, shuffle=False))
    if mask is not None:
        rows = rows[mask[rows]]
    return codec_class(space, role).measure(space, np.asarray(array[rows]))


def _measure_changes(array: np.ndarray, space: gym.Space, has_action: np.ndarray) -> dict[str, Any]:
    """Statistics of the changes from row to row within episodes, where the codec predicts changes."""
    codec = codec_class(space, "observation")
    before = np.flatnonzero(has_action)
    if not issubclass(codec, BoxCodec) or not len(before):
        return {}
    count = min(_SAMPLE_ROWS, max(1, _SAMPLE_BYTES // max(1, array[0].nbytes)), len(before))
    chosen = np.sort(np.random.default_rng(0).choice(before, count, replace=False, shuffle=False))
    return codec.measure_changes(space, np.asarray(array[chosen]), np.asarray(array[chosen + 1]))


def summary(lengths: np.ndarray, returns: np.ndarray) -> dict[str, float]:
    """Totals and return statistics; lengths are in rows, one more than transitions."""
    return {
        "episodes": len(lengths),
        "rows": int(lengths.sum()),
        "transitions": int(lengths.sum() - len(lengths)),
        "episode_length_mean": float(lengths.mean() - 1),
        "return_mean": float(returns.mean()),
        "return_median": float(np.median(returns)),
        "return_std": float(returns.std()),
        "return_min": float(returns.min()),
        "return_max": float(returns.max()),
    }
