"""A store that was damaged or made up is rebuilt from its data set with one warning; it is never believed."""

import json
import os
import random
import shutil
import warnings

import numpy as np
import pytest

from nextlat_rl.data import store as store_module
from nextlat_rl.data.store import Store, build_store
from nextlat_rl.errors import UserError
from nextlat_rl.files import seal
from tests.helpers.fuzz import CASES, CAUGHT
from tests.helpers.toy_data import Nested, gather, write

ARRAYS = ("action", "reward", "terminated", "truncated", "episode_start", "episode_return")


@pytest.fixture
def dataset():
    env = Nested()
    return write("toy/nested-v0", env, gather(env, 12))


def assert_same(one, two):
    for name in ARRAYS:
        assert np.array_equal(getattr(one, name), getattr(two, name)), name
    assert all(np.array_equal(array, two.observation[leaf]) for leaf, array in one.observation.items())
    assert (one.statistics, one.summary, one.dataset_id) == (two.statistics, two.summary, two.dataset_id)
    assert (one.observation_space, one.action_space) == (two.observation_space, two.action_space)


def starts(change):
    def damage(path):
        np.save(path / "episode_start.npy", change(np.load(path / "episode_start.npy")))

    return damage


def header(path):
    file = path / "reward.npy"
    file.write_bytes(file.read_bytes().replace(b"<f4", b"<i4", 1))


def flip(path):
    file = path / "reward.npy"
    content = bytearray(file.read_bytes())
    content[-6] ^= 64
    file.write_bytes(content)


def statistics(path):
    meta = json.loads((path / "meta.json").read_text())
    meta["statistics"]["reward"] = {}
    (path / "meta.json").write_text(json.dumps(meta))


def fifo(path):
    (path / "reward.npy").unlink()
    os.mkfifo(path / "reward.npy")


DAMAGES = {
    "negative": starts(lambda s: np.concatenate([[-5], s[1:]])),
    "unsorted": starts(lambda s: np.concatenate([s[:1], s[1:-1][::-1], s[-1:]])),
    "header": header,
    "flip": flip,
    "statistics": statistics,
    "fifo": fifo,
    "no manifest": lambda path: (path / "manifest.json").unlink(),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_store_is_rebuilt_with_one_warning(dataset, name):
    path = build_store(dataset).path
    sound = shutil.copytree(path, path.with_name("sound"))
    DAMAGES[name](path)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        again = build_store(dataset)
    assert [str(warning.message).count("rebuilding") for warning in said] == [1]
    assert_same(again, Store.open(sound))


def resealed(path):
    """Make the manifest fit what the files hold now, as a stranger would."""
    files = {file.relative_to(path).as_posix(): seal(file) for file in path.rglob("*.npy")}
    files["meta.json"] = seal(path / "meta.json")
    (path / "manifest.json").write_text(json.dumps(files))


@pytest.mark.parametrize("name", ["negative", "unsorted", "header"])
def test_a_manifest_does_not_excuse_episodes_or_types_that_cannot_be(dataset, name):
    path = build_store(dataset).path
    DAMAGES[name](path)
    resealed(path)
    with pytest.raises(UserError, match="incomplete or broken"):
        Store.open(path, verify=True)


def test_arrays_are_read_whole_once_and_again_after_a_change(dataset, monkeypatch):
    opened = []
    check = store_module.check_seal
    monkeypatch.setattr(
        store_module, "check_seal", lambda path, sealed, content: (opened.append(content), check(path, sealed, content))
    )
    path = build_store(dataset).path
    assert not all(opened), "what has just been written is not read again"
    opened.clear()
    build_store(dataset)
    assert not all(opened), "the second opening compares sizes"
    opened.clear()
    os.utime(path / "reward.npy")
    build_store(dataset)
    assert all(opened), "a touched array is read"


def test_any_damage_is_found(dataset):
    sound = build_store(dataset)
    path = sound.path
    contents = {file: file.read_bytes() for file in sorted(path.rglob("*.*")) if file.is_file()}
    sound = Store.open(shutil.copytree(path, path.with_name("sound")))
    rng = random.Random(0)
    caught = 0
    for number in range(CASES):
        file = [*contents][number % len(contents)]
        damaged = bytearray(contents[file])
        for _ in range(rng.choice((1, 1, 3))):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        file.write_bytes(damaged[: rng.choice((len(damaged), len(damaged), rng.randrange(len(damaged))))])
        try:
            assert_same(Store.open(path, verify=True), sound)
        except UserError as error:
            assert "\n" not in str(error)
            caught += 1
        file.write_bytes(contents[file])
    assert caught > CAUGHT * CASES
