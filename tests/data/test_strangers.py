"""Minari data sets as other people write them: they are read, or the true reason stands in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gymnasium as gym
import h5py
import numpy as np
import pytest
from minari import MinariDataset
from minari.storage import get_dataset_path
from stable_baselines3 import DQN

from nextlat_rl import notices
from nextlat_rl.agents.sb3.offline import load_offline
from nextlat_rl.data.minari_io import load_dataset
from nextlat_rl.data.space_check import check_spaces
from nextlat_rl.data.store import build_store
from nextlat_rl.errors import UserError
from nextlat_rl.jobs.training_run import _check_fit
from tests.helpers.toy_data import gather, write

NAME = "stranger/cartpole-v0"


@pytest.fixture
def folder() -> Path:
    """The files of four episodes of CartPole."""
    env = gym.make("CartPole-v1")
    write(NAME, env, gather(env, 4), env_id="CartPole-v1")
    return Path(get_dataset_path(NAME)) / "data"


def change(folder: Path, **values: Any) -> None:
    file = folder / "metadata.json"
    kept = json.loads(file.read_text()) | values
    file.write_text(json.dumps({name: value for name, value in kept.items() if value is not None}))


def test_columns_of_one_element_are_numbers(folder: Path) -> None:
    usual = build_store(load_dataset(NAME))
    before = {name: np.asarray(getattr(usual, name)) for name in ("reward", "terminated", "truncated")}
    with h5py.File(folder / "main_data.hdf5", "r+") as file:
        for episode in file.values():
            for name in ("rewards", "terminations", "truncations"):
                values = episode[name][:]
                del episode[name]
                episode[name] = values[:, None]
    store = build_store(load_dataset(NAME))
    assert store.path != usual.path
    for name, values in before.items():
        assert np.array_equal(getattr(store, name), values)
    agent = DQN("MlpPolicy", gym.make("CartPole-v1"), buffer_size=1000)
    assert load_offline(agent, load_dataset(NAME)) == store.num_transitions


def test_episodes_without_a_step_are_left_out_and_said_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices, "_SAID", {})
    with h5py.File(folder / "main_data.hdf5", "r+") as file:
        for number in (0, 2):
            for name, values in list(file[f"episode_{number}"].items()):
                if isinstance(values, h5py.Dataset):
                    kept = values[: int(name == "observations")]
                    del file[f"episode_{number}"][name]
                    file[f"episode_{number}"][name] = kept
    with pytest.warns(notices.NextLatWarning, match="episodes without a step, which are left out") as heard:
        store = build_store(load_dataset(NAME))
    assert len(heard) == 1 and store.num_episodes == 2 and min(np.diff(store.episode_start)) > 1


def test_an_end_that_is_also_a_cut_counts_as_an_end(folder: Path) -> None:
    with h5py.File(folder / "main_data.hdf5", "r+") as file:
        for episode in file.values():
            episode["truncations"][-1] = episode["terminations"][-1] = True
    store = build_store(load_dataset(NAME))
    assert store.terminated.sum() == 4
    agent = DQN("MlpPolicy", gym.make("CartPole-v1"), buffer_size=1000)
    load_offline(agent, load_dataset(NAME))
    assert agent.replay_buffer is not None
    assert agent.replay_buffer.dones.sum() == 4 and agent.replay_buffer.timeouts.sum() == 0


def test_floats_of_another_width_fit() -> None:
    def box(dtype: Any) -> gym.spaces.Box:
        return gym.spaces.Box(-1, 1, (3,), dtype)

    check_spaces(box(np.float64), box(np.float32), box(np.float32), box(np.float32))
    with pytest.raises(UserError, match="action is"):  # which the environment may refuse
        check_spaces(box(np.float32), box(np.float64), box(np.float32), box(np.float32))
    with pytest.raises(UserError, match="do not fit"):
        check_spaces(box(np.int32), box(np.float32), box(np.float32), box(np.float32))


REASONS: dict[str, tuple[dict[str, Any], str]] = {
    "another version": ({"minari_version": "9.1.0"}, "written by Minari 9.1.0, which the installed Minari .* install"),
    "no version": ({"minari_version": None}, "it has no minari_version"),
    "another format": ({"data_format": "abc"}, "unknown kind"),
}


@pytest.mark.parametrize("kind", REASONS)
def test_what_cannot_be_read_says_the_true_reason(kind: str, folder: Path) -> None:
    values, reason = REASONS[kind]
    change(folder, **values)
    with pytest.raises(UserError, match=reason) as stop:
        load_dataset(NAME)
    assert "\n" not in str(stop.value) and (kind != "another version" or "delete" not in str(stop.value))


def test_a_missing_package_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(self: Any, data: Any) -> None:
        raise ImportError('pyarrow is not installed. Please install it using `pip install "minari[arrow]"`')

    monkeypatch.setattr(MinariDataset, "__init__", missing)
    with pytest.raises(UserError, match=r"pyarrow is not installed.*pip install 'minari\[arrow\]'"):
        load_dataset(NAME)


def test_data_of_another_environment_name_theirs(folder: Path) -> None:
    with pytest.raises(UserError, match=r"do not fit: .* names env=CartPole-v1"):
        _check_fit(load_dataset(NAME), gym.make("Acrobot-v1"))
