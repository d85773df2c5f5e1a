"""A data set's transitions arrive in the replay buffer as they were."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from minari import MinariDataset
from stable_baselines3 import DQN, SAC
from stable_baselines3.common.env_util import make_vec_env

from nextlat_rl import load_offline
from nextlat_rl.data.minari_io import write_dataset
from nextlat_rl.envs import make_env
from nextlat_rl.envs.episodes import collect_episodes
from nextlat_rl.errors import UserError


def gathered(env_id: str, tmp_path: Any, monkeypatch: Any, count: int) -> MinariDataset:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    env = make_env(env_id)
    episodes = collect_episodes(env_id, "random", episodes=count, seed=0)
    return write_dataset("test/x-v0", env_id, env.observation_space, env.action_space, episodes, behaviour="random")


def test_dqn_gets_every_transition(tmp_path: Any, monkeypatch: Any) -> None:
    dataset = gathered("CartPole-v1", tmp_path, monkeypatch, 5)
    agent = DQN("MlpPolicy", "CartPole-v1", buffer_size=1000, seed=0)
    total = load_offline(agent, "test/x-v0")
    buffer = agent.replay_buffer
    assert buffer is not None and total == dataset.total_steps == buffer.size()
    row = 0
    for episode in dataset.iterate_episodes():
        for t in range(len(episode.rewards)):
            np.testing.assert_array_equal(buffer.observations[row, 0], episode.observations[t])
            np.testing.assert_array_equal(buffer.next_observations[row, 0], episode.observations[t + 1])
            assert buffer.actions[row, 0] == episode.actions[t]
            assert buffer.dones[row, 0] == episode.terminations[t]
            assert buffer.timeouts[row, 0] == 0
            row += 1
    agent.learning_starts = 0
    agent.learn(8)
    assert buffer.pos == total + 8


def test_sac_gets_scaled_actions_and_time_limits(tmp_path: Any, monkeypatch: Any) -> None:
    dataset = gathered("Pendulum-v1", tmp_path, monkeypatch, 2)
    agent = SAC("MlpPolicy", make_vec_env("Pendulum-v1", 2), buffer_size=1000, seed=0)
    assert load_offline(agent, dataset) == 400
    buffer = agent.replay_buffer
    assert buffer is not None
    first = next(iter(dataset.iterate_episodes()))
    np.testing.assert_allclose(buffer.actions.reshape(-1)[:200], np.asarray(first.actions).reshape(-1) / 2, atol=1e-6)
    assert np.flatnonzero(buffer.timeouts.reshape(-1)).tolist() == [199, 399]
    sample = buffer.sample(64)
    assert (sample.dones == 0).all()  # a time limit is no end


def test_what_does_not_fit_gets_one_clear_line(tmp_path: Any, monkeypatch: Any) -> None:
    dataset = gathered("CartPole-v1", tmp_path, monkeypatch, 5)
    with pytest.raises(UserError, match="buffer_size="):
        load_offline(DQN("MlpPolicy", "CartPole-v1", buffer_size=10), dataset)
    with pytest.raises(UserError, match="do not fit"):
        load_offline(DQN("MlpPolicy", "Acrobot-v1", buffer_size=1000), dataset)
    used = DQN("MlpPolicy", "CartPole-v1", buffer_size=1000)
    load_offline(used, dataset)
    with pytest.raises(UserError, match="in use"):
        load_offline(used, dataset)
