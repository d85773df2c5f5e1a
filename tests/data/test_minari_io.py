import errno
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import gymnasium as gym
import minari
import numpy as np
import pytest
from minari.storage import get_dataset_path

import nextlat_rl
from nextlat_rl.data import hub, minari_io
from nextlat_rl.data.minari_io import exists, list_datasets, load_dataset
from nextlat_rl.errors import UserError
from nextlat_rl.locks import locked
from tests.helpers.toy_data import Episode, Nested, gather, write


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def offline(monkeypatch, endpoint: str) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", endpoint)


def assert_same(first, second):
    if isinstance(first, dict):
        assert first.keys() == second.keys()
        for key in first:
            assert_same(first[key], second[key])
    elif isinstance(first, tuple):
        for one, two in zip(first, second, strict=True):
            assert_same(one, two)
    else:
        assert np.array_equal(first, second)


def element(space, columns, index):
    if isinstance(space, gym.spaces.Dict):
        return {key: element(child, columns[key], index) for key, child in space.spaces.items()}
    if isinstance(space, gym.spaces.Tuple):
        return tuple(element(child, columns[i], index) for i, child in enumerate(space.spaces))
    return columns[index]


def test_round_trip_of_a_nested_space_through_minari():
    env = Nested()
    episodes = gather(env, 20)
    write("toy/nested-v0", env, iter(episodes), epsilon=0.25, requested_steps=99)
    dataset = load_dataset("toy/nested-v0")
    assert dataset.id == "toy/nested-v0"
    assert dataset.observation_space == env.observation_space and dataset.action_space == env.action_space
    assert dataset.total_episodes == 20
    for written, read in zip(episodes, dataset.iterate_episodes(), strict=True):
        for t, observation in enumerate(written.observations):
            assert_same(observation, element(env.observation_space, read.observations, t))
        assert np.array_equal(written.actions, read.actions)
        assert written.rewards == read.rewards.tolist()
        assert written.terminations == read.terminations.tolist()
        assert written.truncations == read.truncations.tolist()
    for seed, metadata in enumerate(dataset.storage.get_episode_metadata(range(20))):
        assert metadata["seed"] == seed and metadata["behaviour"] == "random"
    metadata = dataset.storage.metadata
    assert metadata["env_id"] == "Unregistered-v0" and metadata["behaviour"] == "random"
    assert metadata["epsilon"] == 0.25 and metadata["requested_steps"] == 99
    assert metadata["nextlat_rl_version"] == nextlat_rl.__version__
    assert metadata["total_steps"] == sum(len(episode.actions) for episode in episodes)


def test_environment_can_be_recovered_and_minari_tools_see_the_data_set(recwarn):
    env = gym.make("CartPole-v1")
    write("cartpole/random-v0", env, gather(env, 2), env_id="CartPole-v1")
    assert [str(w.message) for w in recwarn if "minari" in w.filename] == []
    assert minari.load_dataset("cartpole/random-v0").recover_environment().spec.id == "CartPole-v1"
    assert list(minari.list_local_datasets()) == ["cartpole/random-v0"]
    assert list_datasets() == ["cartpole/random-v0"] and exists("cartpole/random-v0")
    assert not exists("cartpole/random-v1")


def test_existing_id_is_refused_before_any_work():
    env = Nested()
    write("toy/nested-v0", env, gather(env, 1))
    with pytest.raises(UserError, match=r"toy/nested-v0.*already exists"):
        write("toy/nested-v0", env, (1 / 0 for _ in range(1)))


@pytest.mark.parametrize("name", ["nested", "toy/nested", "a/b-v0", "../x-v0", "", "with space-v0", "hf://x/y-v0"])
def test_malformed_id_is_a_user_error(name):
    for action in (load_dataset, exists, lambda name: write(name, Nested(), [])):
        with pytest.raises(UserError, match="not a data set id"):
            action(name)


@pytest.mark.parametrize("failure", [KeyboardInterrupt(), RuntimeError("env broke"), OSError(errno.ENOSPC, "full")])
def test_nothing_is_left_of_a_failed_write(failure, tmp_path):
    env = Nested()

    def episodes():
        yield from gather(env, 3)
        raise failure

    expected = UserError if isinstance(failure, OSError) else type(failure)
    with pytest.raises(expected):
        write("toy/nested-v0", env, episodes())
    assert files_below(tmp_path) == [] and list_datasets() == []
    write("toy/nested-v0", env, gather(env, 1))


def test_writing_stops_before_the_disk_is_full(monkeypatch, tmp_path):
    usage = iter([10**9, 10**9, 10**6])
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": next(usage)}))
    with pytest.raises(UserError, match=r"disk of .* is full.*MINARI_DATASETS_PATH"):
        write("toy/nested-v0", Nested(), gather(Nested(), 3))
    assert files_below(tmp_path) == []


def test_unwritable_folder_is_a_user_error(monkeypatch):
    def refuse(*arguments, **kwargs):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(minari_io, "_create", refuse)
    with pytest.raises(UserError, match="cannot write to"):
        write("toy/nested-v0", Nested(), gather(Nested(), 1))


def test_episodes_of_wrong_length_and_no_episodes_are_user_errors(tmp_path):
    env = Nested()
    good, bad = gather(env, 2)
    bad.observations.pop()
    with pytest.raises(UserError, match="episode 1 has"):
        write("toy/nested-v0", env, [good, bad])
    with pytest.raises(UserError, match="episode 0 has 1 obs"):
        write("toy/nested-v0", env, [Episode(good.observations[:1])])
    with pytest.raises(UserError, match="no episodes"):
        write("toy/nested-v0", env, [])
    assert files_below(tmp_path) == []


def test_killed_writer_leaves_no_data_set(tmp_path):
    code = (
        "import os, sys; sys.path.insert(0, sys.argv[1])\n"
        "from tests.helpers.toy_data import *\n"
        "def episodes():\n"
        "    yield from gather(Nested(), 5)\n"
        "    os._exit(9)\n"
        "write('toy/nested-v0', Nested(), episodes())\n"
    )
    run = subprocess.run([sys.executable, "-c", code, str(Path(__file__).parents[2])], cwd=Path(__file__).parents[2])
    assert run.returncode == 9
    assert list_datasets() == [] and not exists("toy/nested-v0")
    write("toy/nested-v0", Nested(), gather(Nested(), 1))
    assert list_datasets() == ["toy/nested-v0"]


# 203.0.113.1 is reserved for documentation: no answer, not even a refusal, on machines with a route to it.
@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:9", "https://203.0.113.1", "https://no-such-host.invalid"])
def test_missing_data_set_without_network_is_told_at_once(monkeypatch, endpoint):
    env = Nested()
    write("toy/nested-v0", env, gather(env, 1))
    offline(monkeypatch, endpoint)
    start = time.perf_counter()
    with pytest.raises(UserError) as error:
        load_dataset("D4RL/door/human-v2")
    assert time.perf_counter() - start < 3
    for part in ("'D4RL/door/human-v2'", "no network", endpoint, "nextlat_rl.collect", "toy/nested-v0"):
        assert part in str(error.value)
    assert "\n" not in str(error.value)


def test_missing_data_set_without_hub_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(UserError, match=r"pip install 'nextlat_rl\[hub\]'.*local data sets: none"):
        load_dataset("D4RL/door/human-v2")


def test_failed_download_leaves_nothing(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr(hub, "_answers", lambda url: True)

    def break_off(dataset_id):
        folder = get_dataset_path(dataset_id) / "data"
        folder.mkdir(parents=True)
        (folder / "metadata.json").write_text("{}")
        raise ConnectionError("line\nbroken")

    monkeypatch.setattr("minari.download_dataset", break_off)
    with pytest.raises(UserError, match="the hub says: line broken"):
        load_dataset("D4RL/door/human-v2")
    assert files_below(tmp_path) == []


def test_a_download_appears_under_its_name_once_it_is_whole(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr(hub, "_answers", lambda url: True)
    env = Nested()
    write("toy/other-v0", env, gather(env, 2))
    there = tmp_path / "datasets"

    def fetch(dataset_id):
        shutil.copytree(there / "toy/other-v0", get_dataset_path(dataset_id))
        assert list_datasets() != ["toy/other-v0"] and not (there / "far").exists()

    monkeypatch.setattr("minari.download_dataset", fetch)
    assert load_dataset("far/toy-v0").total_episodes == 2
    assert list_datasets() == ["far/toy-v0", "toy/other-v0"]
    assert not any("unfinished_" in path.name for path in there.iterdir())


@pytest.mark.parametrize("keep", [0, 100, 20_000])
def test_truncated_hdf5_is_a_user_error_naming_the_file(keep, tmp_path):
    env = Nested()
    write("toy/nested-v0", env, gather(env, 5))
    (file,) = tmp_path.rglob("*.hdf5")
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(UserError, match=r"toy/nested-v0.*main_data\.hdf5 is broken"):
        load_dataset("toy/nested-v0")


def test_broken_metadata_is_a_user_error_naming_the_file(tmp_path):
    env = Nested()
    write("toy/nested-v0", env, gather(env, 5))
    (file,) = tmp_path.rglob("data/metadata.json")
    metadata = json.loads(file.read_text())
    changes = [{"total_episodes": 50}, {"observation_space": "{"}]
    for text in ["", "{", "[]", *(json.dumps(metadata | change) for change in changes)]:
        file.write_text(text)
        with pytest.raises(UserError, match=r"toy/nested-v0.*(metadata\.json|hdf5) is broken"):
            load_dataset("toy/nested-v0")


def test_what_a_killed_process_left_is_deleted_and_what_is_being_gathered_stays():
    env = Nested()
    alive, dead = get_dataset_path("unfinished_alive-v0"), get_dataset_path("unfinished_dead-v0")
    for folder in (alive, dead):
        (folder / "data").mkdir(parents=True)
        (folder / "data" / "main_data.hdf5").write_bytes(b"half")
    with locked(alive.with_name(f"{alive.name}.lock"), "in use"):
        write("toy/nested-v0", env, iter(gather(env, 2)))
        assert alive.is_dir() and not dead.exists()


def test_of_two_that_gather_one_data_set_the_later_one_says_that_it_is_there():
    env = Nested()
    episodes = gather(env, 2)

    def meanwhile():
        yield from episodes
        write("toy/nested-v0", env, iter(episodes))

    with pytest.raises(UserError, match="already exists"):
        write("toy/nested-v0", env, meanwhile())
    assert load_dataset("toy/nested-v0").total_episodes == 2
    assert not list(get_dataset_path().glob("unfinished_*"))
