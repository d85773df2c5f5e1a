"""Minari data sets: write one from episodes, load one by its id, list the local ones."""

import copy
import json
import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gymnasium as gym
import h5py
import minari
import numpy as np
from minari import MinariDataset
from minari.data_collector import EpisodeBuffer
from minari.dataset.minari_dataset import parse_dataset_id
from minari.namespace import NAMESPACE_METADATA_FILENAME, namespace_hierarchy
from minari.storage import get_dataset_path

import nextlat_rl
from nextlat_rl.data.disk import ROOT_VARIABLE, UNFINISHED, explain_disk_errors, hdf5_errors, require_free
from nextlat_rl.data.episode import Episode, check_episode
from nextlat_rl.data.hub import HubError, download
from nextlat_rl.durable import PART, publish, write_text
from nextlat_rl.env_ids import split_env_id
from nextlat_rl.errors import UserError
from nextlat_rl.files import read_json, require_regular
from nextlat_rl.locks import scratch_folder, sweep, sweep_files
from nextlat_rl.spaces.saved import read_space

# HDF5 crashes the process when the disk fills up under it, so writing stops while its caches can still be flushed.
DISK_RESERVE = 64 * 2**20


class TakenError(UserError):
    """The id of a new data set is taken."""


def dataset_root() -> Path:
    """The local Minari folder; it need not exist."""
    return Path(os.environ.get(ROOT_VARIABLE) or Path.home() / ".minari" / "datasets")


def check_new_id(dataset_id: str) -> Path:
    """Require a well-formed id that is not taken; the folder it will name.

    Raises:
        UserError: it is malformed.
        TakenError: it is taken.
    """
    _check_id(dataset_id)
    folder = get_dataset_path(dataset_id)
    if folder.exists():
        raise TakenError(f"data set '{dataset_id}' already exists in {folder}: choose another id or delete it")
    return folder


def write_dataset(
    dataset_id: str,
    env_id: str,
    observation_space: gym.Space,
    action_space: gym.Space,
    episodes: Iterable[Episode],
    *,
    behaviour: str,
    epsilon: float = 0.0,
    requested_steps: int | None = None,
    description: str | None = None,
) -> MinariDataset:
    """Write episodes as a local Minari data set (hdf5, images lossless) and return it.

    Episodes are written one at a time as `episodes` yields them. The data set appears under its id once complete;
    after an error or an interrupt nothing is left. Its metadata holds `env_id`, `behaviour`, `epsilon`,
    `requested_steps` and `nextlat_rl_version`; an episode's holds its seed and its behaviour.

    Raises:
        UserError: a malformed id, no episodes, an episode of wrong lengths, or a full disk.
        TakenError: there is a data set of this id, perhaps since episodes were gathered.
    """
    folder = check_new_id(dataset_id)
    root = get_dataset_path()
    sweep(root, UNFINISHED)
    sweep_files(root, f"**/{PART}*")
    explained = explain_disk_errors(root, ROOT_VARIABLE)
    with explained, hdf5_errors(), scratch_folder(root, UNFINISHED, "-v0") as temporary:
        require_free(root, DISK_RESERVE, ROOT_VARIABLE)
        storage = _create(
            temporary.name,
            env_id,
            observation_space,
            action_space,
            algorithm_name=behaviour,
            description=description or f"{env_id}, gathered by {behaviour} with epsilon {epsilon}",
        ).storage
        behaviours: list[str | None] = []
        with _what_is_lost(behaviours):
            storage.update_episodes(_buffers(episodes, observation_space, action_space, behaviours, root))
        if not behaviours:
            raise UserError(f"no episodes were gathered for data set '{dataset_id}': ask for more steps")
        storage.update_episode_metadata({} if name is None else {"behaviour": name} for name in behaviours)
        metadata = {"env_id": env_id, "behaviour": behaviour, "epsilon": epsilon, "requested_steps": requested_steps}
        storage.update_metadata(metadata | {"nextlat_rl_version": nextlat_rl.__version__})
        _publish(temporary, dataset_id)
    return MinariDataset(folder / "data")


def _create(
    dataset_id: str, env_id: str, observation_space: gym.Space, action_space: gym.Space, **metadata: str
) -> MinariDataset:
    """Create an empty data set, with the environment's spec if the id is registered."""
    try:
        name, kwargs = split_env_id(env_id)
        spec = copy.deepcopy(gym.spec(name))
        spec.max_episode_steps = kwargs.pop("max_episode_steps", spec.max_episode_steps)
        spec.kwargs.update(kwargs)
        spec.to_json()
    except (gym.error.Error, ValueError, TypeError):  # not registered, or registered with what JSON cannot hold
        spec = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Minari asks for an author, an e-mail address and a link to the code
        return minari.create_dataset_from_buffers(
            dataset_id,
            [],
            env=spec,
            observation_space=observation_space,
            action_space=action_space,
            data_format="hdf5",
            jpeg_encoding=False,
            **metadata,
        )


@contextmanager
def _what_is_lost(gathered: list[str | None]) -> Iterator[None]:
    """An error says how many episodes, which `gathered` lists, are not kept."""
    try:
        yield
    except UserError as error:
        if not gathered:
            raise
        raise UserError(f"{error}; the {len(gathered)} episodes gathered so far are not kept") from error


def _buffers(
    episodes: Iterable[Episode],
    observation_space: gym.Space,
    action_space: gym.Space,
    behaviours: list[str | None],
    folder: Path,
) -> Iterator[EpisodeBuffer]:
    """Yield the episodes in Minari's layout, noting each one's behaviour, while there is room on the disk."""
    for index, episode in enumerate(episodes):
        check_episode(index, episode)
        require_free(folder, DISK_RESERVE, ROOT_VARIABLE)
        behaviours.append(episode.behaviour)
        yield EpisodeBuffer(
            seed=None if episode.seed is None else int(episode.seed),
            observations=columns(observation_space, episode.observations),
            actions=columns(action_space, episode.actions),
            rewards=np.asarray(episode.rewards, dtype=np.float64),
            terminations=np.asarray(episode.terminations, dtype=bool),
            truncations=np.asarray(episode.truncations, dtype=bool),
        )


def columns(space: gym.Space, elements: Sequence[Any]) -> Any:
    """N (nested) elements of a space as Minari stores them: (nested) arrays `[N, ...]`, a list of str for Text."""
    if isinstance(space, gym.spaces.Dict):
        return {key: columns(child, [element[key] for element in elements]) for key, child in space.spaces.items()}
    if isinstance(space, gym.spaces.Tuple):
        return tuple(columns(child, [element[i] for element in elements]) for i, child in enumerate(space.spaces))
    if isinstance(space, gym.spaces.Text):
        return [str(element) for element in elements]
    return np.asarray(elements, dtype=space.dtype)


def _publish(temporary: Path, dataset_id: str) -> None:
    """Give a finished data set its id and its place."""
    metadata_file = temporary / "data" / "metadata.json"
    metadata = json.loads(metadata_file.read_text(encoding="utf-8"))
    write_text(metadata_file, json.dumps(metadata | {"dataset_id": dataset_id}))
    namespace = parse_dataset_id(dataset_id)[0]
    for name in namespace_hierarchy(namespace):
        file = get_dataset_path(name) / NAMESPACE_METADATA_FILENAME
        if not file.exists():
            write_text(file, "{}")
    folder = check_new_id(dataset_id)
    try:
        publish(temporary, folder)
    except OSError:
        check_new_id(dataset_id)  # another process wrote it in this moment
        raise


def load_dataset(dataset_id: str) -> MinariDataset:
    """Load a data set: the local one, or else the hub's, downloaded first.

    Raises:
        UserError: a malformed id; a data set that is neither here nor can be downloaded (told within seconds when
            there is no network); files that cannot be read.
    """
    if not exists(dataset_id):
        try:
            download(dataset_id)
        except HubError as reason:
            here = ", ".join(list_datasets()) or "none"
            raise UserError(
                f"data set '{dataset_id}' is not in {get_dataset_path()} and cannot be downloaded ({reason}); "
                f"collect one with `python -m nextlat_rl.collect env=...`; local data sets: {here}"
            ) from reason
    folder = get_dataset_path(dataset_id) / "data"
    file = folder / "metadata.json"
    _refuse_strange(dataset_id, folder)
    try:
        dataset = MinariDataset(folder)
        if dataset.storage.FORMAT == "hdf5":
            file = next(folder.glob("*.hdf5"), folder / "main_data.hdf5")
            with h5py.File(file, "r") as content:
                if len(content) < dataset.storage.total_episodes:
                    raise ValueError(f"{len(content)} of {dataset.storage.total_episodes} episodes are there")
    except ImportError as error:  # of what a format needs
        raise UserError(f"data set '{dataset_id}' cannot be read: {error}; pip install 'minari[arrow]'") from error
    except Exception as error:  # of many types from Minari, json and HDF5
        raise UserError(
            f"data set '{dataset_id}' cannot be read: {file} is broken or of an unknown kind "
            f"({type(error).__name__}: {error}); delete {folder.parent} and collect or download it again"
        ) from error
    return dataset


def _refuse_strange(dataset_id: str, folder: Path) -> None:
    """Require plain files and metadata with a well-formed id and both spaces.

    For a space that is not written down Minari makes the environment that the metadata name, which can be any code.

    Raises:
        UserError: naming what is wrong.
    """
    file = folder / "metadata.json"
    try:
        for path in folder.rglob("*"):
            if not path.is_dir():
                require_regular(path)
        metadata = read_json(file)
        missing = {"observation_space", "action_space", "dataset_id", "minari_version"} - metadata.keys()
        if missing:
            raise ValueError(f"it has no {min(missing)}, and the environment that it names is not run to find it")
        read_space(metadata["observation_space"])
        read_space(metadata["action_space"])
        _check_id(metadata["dataset_id"])
    except (OSError, ValueError, AttributeError, UserError) as error:
        raise UserError(
            f"data set '{dataset_id}' cannot be read: {file} is broken ({error}); delete {folder.parent} and collect "
            "or download it again"
        ) from None
    version = metadata["minari_version"]
    if version not in minari.supported_dataset_versions:
        raise UserError(
            f"data set '{dataset_id}' was written by Minari {version}, which the installed Minari {minari.__version__} "
            "does not read: install a version that does, with pip install 'minari==<version>'"
        )


def load_datasets(ids: str) -> list[MinariDataset]:
    """Load one data set, or several written as `first-v0+second-v0`; see `load_dataset`."""
    return [load_dataset(dataset_id) for dataset_id in ids.split("+")]


def exists(dataset_id: str) -> bool:
    """Whether the data set is in the local Minari folder; UserError when the id is malformed."""
    _check_id(dataset_id)
    return bool((get_dataset_path(dataset_id) / "data").is_dir())


def list_datasets() -> list[str]:
    """Return the ids of all data sets in the local Minari folder, sorted."""
    root = get_dataset_path()
    found = []
    for folder, children, _ in os.walk(root):
        if Path(folder, "data", "metadata.json").is_file():
            found.append(Path(folder).relative_to(root).as_posix())
            children.clear()
    return sorted(name for name in found if not name.startswith((UNFINISHED, ".")))


def _check_id(dataset_id: str) -> None:
    try:
        parse_dataset_id(dataset_id)
    except (ValueError, TypeError) as error:
        raise UserError(f"'{dataset_id}' is not a data set id: write it like minigrid/FourRooms-v0") from error
