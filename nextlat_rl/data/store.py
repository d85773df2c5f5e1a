"""The flat, memory-mapped copy of a data set that training reads: T+1 encoded rows per episode, one after the other."""

import os
import shutil
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from minari import MinariDataset

from nextlat_rl.data.disk import explain_disk_errors
from nextlat_rl.data.episode import Episode
from nextlat_rl.data.fingerprint import is_verified, joint_digest, remember_verified
from nextlat_rl.data.rows import rows_of_episodes
from nextlat_rl.data.store_writer import (
    FORMAT,
    MANIFEST,
    PER_ROW,
    episode_starts,
    joint_id,
    leaf_file,
    measure,
    named,
    summary,
    write_store,
)
from nextlat_rl.durable import PART, make_folder, publish
from nextlat_rl.errors import UserError
from nextlat_rl.files import check_seal, read_json
from nextlat_rl.locks import scratch_folder, sweep, sweep_files
from nextlat_rl.spaces import codec_class, leaves
from nextlat_rl.spaces.saved import read_space

CACHE_VARIABLE = "NEXTLAT_CACHE"
_BUILDING = ".building-"
_LONGEST_NAME = 150  # of the readable part of a folder's name; file systems allow 255


@dataclass(frozen=True)
class Store:
    """N rows of E episodes, memory-mapped from disk or in memory.

    Row t of an episode holds o_t and, except its last row, a_t, r_t and the flags.
    """

    path: Path  # its folder; Path() of a store in memory
    dataset_id: str  # "" of a store in memory
    observation_space: gym.Space
    action_space: gym.Space
    observation: dict[str, np.ndarray]  # leaf -> [N, *storage_shape]
    action: np.ndarray  # [N, *storage_shape], zeros on last rows
    reward: np.ndarray  # [N] float32, zero on last rows
    terminated: np.ndarray  # [N] bool
    truncated: np.ndarray  # [N] bool
    episode_start: np.ndarray  # [E+1] int64, first row of each episode, then N
    episode_return: np.ndarray  # [E] float64, undiscounted
    statistics: dict[str, Any]  # {"observation": {leaf: {...}}, "action": {...}, "reward": {...}} for the codecs
    summary: dict[str, float]  # episodes, transitions, rows, return_{mean,median,std,min,max}, episode_length_mean

    @property
    def num_rows(self) -> int:
        """N, the rows of all episodes."""
        return int(self.episode_start[-1])

    @property
    def num_episodes(self) -> int:
        """E, the number of episodes."""
        return len(self.episode_start) - 1

    @property
    def num_transitions(self) -> int:
        """N - E, the rows that have an action."""
        return self.num_rows - self.num_episodes

    @classmethod
    def open(cls, path: str | Path, verify: bool = False) -> "Store":
        """Map a store that `build_store` wrote.

        Args:
            path: its folder.
            verify: compare the SHA-256 of every array with the manifest, which reads all of them (about 1 s a GB).
                Sizes, types, shapes, and the small files' contents are compared always.

        Raises:
            UserError: it is missing, incomplete, changed or of another version.
        """
        path = Path(path)
        try:
            _check_files(path, verify)
            meta = read_json(path / "meta.json")
            if meta["format"] != FORMAT:
                raise ValueError(f"format {meta['format']}, expected {FORMAT}")
            observation_space, action_space = read_space(meta["observation_space"]), read_space(meta["action_space"])
            starts, returns = (np.load(path / f"episode_{name}.npy") for name in ("start", "return"))
            _check_episodes(starts, returns)
            arrays = _mapped(path, observation_space, action_space, int(starts[-1]))
            return cls(
                path=path,
                dataset_id=meta["dataset_id"],
                observation_space=observation_space,
                action_space=action_space,
                observation={leaf: arrays[leaf_file(leaf)] for leaf in leaves(observation_space)},
                **{name: arrays[name] for name in PER_ROW},
                episode_start=starts,
                episode_return=returns,
                statistics=meta["statistics"],
                summary=meta["summary"],
            )
        except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
            raise UserError(
                f"the store {path} is incomplete or broken ({type(error).__name__}: {error}); delete it, it is rebuilt"
            ) from error


def _check_files(path: Path, verify: bool) -> None:
    """Require the files of the manifest; those with arrays of rows are read only if `verify` asks for it."""
    manifest = read_json(path / MANIFEST)
    if not {"meta.json", "episode_start.npy", "episode_return.npy"} <= manifest.keys():
        raise ValueError(f"{MANIFEST} does not name the files of a store")
    for name, sealed in manifest.items():
        check_seal(path / name, sealed, content=verify or name.startswith(("meta.", "episode_")))


def _check_episodes(starts: np.ndarray, returns: np.ndarray) -> None:
    """Require the first rows `[E+1]` of episodes of at least two rows, and a return `[E]` of each."""
    if (starts.dtype, starts.ndim, returns.dtype) != (np.int64, 1, np.float64) or returns.shape != (len(starts) - 1,):
        raise ValueError("the episodes' beginnings and returns are of another type or number")
    if not len(returns) or starts[0] != 0 or np.diff(starts).min() < 2 or not np.isfinite(returns).all():
        raise ValueError("the episodes' beginnings are not in order, or a return is not finite")


def _mapped(path: Path, observation: gym.Space, action: gym.Space, rows: int) -> dict[str, np.ndarray]:
    """The arrays `[rows, ...]` by name, memory-mapped, in the types and shapes that the spaces are stored in."""
    flag = np.dtype(bool), ()
    kinds = {leaf_file(leaf): codec_class(space).storage(space) for leaf, space in leaves(observation).items()}
    kinds |= {"action": codec_class(action, "action").storage(action), "reward": (np.dtype(np.float32), ())}
    arrays = {}
    for name, (dtype, shape) in (kinds | {"terminated": flag, "truncated": flag}).items():
        arrays[name] = np.load(path / f"{name}.npy", mmap_mode="r")
        if (arrays[name].dtype, arrays[name].shape) != (dtype, (rows, *shape)) or not arrays[name].flags.c_contiguous:
            raise ValueError(f"{name}.npy holds {arrays[name].dtype} {arrays[name].shape}: another type or shape")
    return arrays


def default_cache() -> Path:
    """Return the folder of all stores: $NEXTLAT_CACHE, or ~/.cache/nextlat_rl/stores."""
    return Path(os.environ.get(CACHE_VARIABLE) or Path.home() / ".cache" / "nextlat_rl" / "stores")


def build_store(
    dataset: MinariDataset | Sequence[MinariDataset],
    cache_dir: str | Path | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Store:
    """Return the store of a data set, or of several as one, from the cache if their content has not changed.

    Builds in one pass over the episodes, so that neither the data set nor the store needs to fit in memory.
    `on_progress` is called with the episodes done and the episodes in all.

    Raises:
        UserError: an empty or broken data set (see `rows.read_rows`), unsupported or different spaces, a full disk.
            Nothing is left.
    """
    datasets = [dataset] if isinstance(dataset, MinariDataset) else list(dataset)
    cache = Path(cache_dir) if cache_dir is not None else default_cache()
    with explain_disk_errors(cache, CACHE_VARIABLE):
        make_folder(cache)
        memo = cache / "hashes.json"
        digest = joint_digest(datasets, memo)
        path = cache / f"{joint_id(datasets).replace('/', '_')[:_LONGEST_NAME]}-{digest[:20]}-{FORMAT}"
        if path.exists():
            try:
                return _open_built(path, memo)
            except UserError as error:
                warnings.warn(f"{error}: rebuilding", stacklevel=2)
                shutil.rmtree(path)
        sweep(cache, _BUILDING)
        sweep_files(cache, f"{PART}*")
        with scratch_folder(cache, _BUILDING) as folder:
            folder.mkdir()
            write_store(datasets, folder, on_progress)
            try:
                publish(folder, path)
                remember_verified(path, memo)  # what has just been written is not read again
            except OSError:
                if not path.exists():
                    raise  # else another process has built the same store meanwhile
        return _open_built(path, memo)


def _open_built(path: Path, memo: Path) -> Store:
    """Open a store of the cache; arrays that have changed since they were last verified are verified again."""
    known = is_verified(path, memo)
    store = Store.open(path, verify=not known)
    if not known:
        remember_verified(path, memo)
    return store


def store_of_episodes(observation_space: gym.Space, action_space: gym.Space, episodes: Iterable[Episode]) -> Store:
    """Return a store of episodes in memory, encoded as `build_store` encodes a data set; no file is written.

    For short episodes by the hundred thousand, over each of which Minari takes about a millisecond.

    Raises:
        UserError: no episodes, an episode of wrong lengths, values outside their space, unsupported spaces.
    """
    chunks = list(rows_of_episodes(observation_space, action_space, episodes))
    if not chunks:
        raise UserError("a store needs at least one episode")
    parts = [named(rows) for rows in chunks]
    arrays = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    lengths = np.concatenate([rows.lengths for rows in chunks])
    returns = np.concatenate([rows.returns() for rows in chunks])
    starts = episode_starts(lengths)
    return Store(
        path=Path(),
        dataset_id="",
        observation_space=observation_space,
        action_space=action_space,
        observation={leaf: arrays[leaf_file(leaf)] for leaf in leaves(observation_space)},
        **{name: arrays[name] for name in PER_ROW},
        episode_start=starts,
        episode_return=returns,
        statistics=measure(observation_space, action_space, arrays, starts),
        summary=summary(lengths, returns),
    )
