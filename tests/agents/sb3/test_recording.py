"""What an agent saw is what the data set holds, ends and all."""

from __future__ import annotations

from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3 import DQN, PPO, SAC
from stable_baselines3.common.env_util import make_vec_env

from nextlat_rl import MinariRecorder
from nextlat_rl.data.minari_io import load_dataset
from nextlat_rl.data.store import build_store
from nextlat_rl.errors import UserError


@pytest.fixture(autouse=True)
def minari(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))


def test_every_transition_of_ppo_is_kept_and_replays_in_the_environment(tmp_path: Path) -> None:
    venv = make_vec_env("CartPole-v1", n_envs=3, seed=0)
    agent = PPO("MlpPolicy", venv, n_steps=64, batch_size=64, seed=0, device="cpu")
    agent.learn(384, callback=MinariRecorder("test/seen-v0", "CartPole-v1"))
    data = load_dataset("test/seen-v0")
    assert data.total_steps == 384
    env = gym.make("CartPole-v1").unwrapped
    env.reset()
    ended = 0
    for episode in data.iterate_episodes():
        env.state = episode.observations[0].astype(np.float64)
        for action, observation in zip(episode.actions, episode.observations[1:], strict=True):
            np.testing.assert_allclose(env.step(int(action))[0], observation, atol=1e-4)
            env.steps_beyond_terminated = None
            env.state = observation.astype(np.float64)
        assert episode.terminations[-1] != episode.truncations[-1]
        ended += int(episode.terminations[-1])
    assert ended == data.total_episodes - 3  # the three that were still running are kept as cut short
    assert build_store([data], tmp_path / "cache").num_transitions == 384


def test_continuous_actions_are_those_the_environment_got() -> None:
    agent = SAC("MlpPolicy", "Pendulum-v1", learning_starts=50, seed=0, device="cpu")
    agent.learn(250, callback=MinariRecorder("test/pendulum-v0", "Pendulum-v1"))
    data = load_dataset("test/pendulum-v0")
    episode = next(iter(data.iterate_episodes()))
    assert len(episode.rewards) == 200 and episode.truncations[-1] and not episode.terminations.any()
    env = gym.make("Pendulum-v1").unwrapped
    env.reset()
    x, y, velocity = episode.observations[0]
    env.state = np.array([np.arctan2(y, x), velocity])
    for action, observation in zip(episode.actions[:20], episode.observations[1:21], strict=True):
        np.testing.assert_allclose(env.step(action)[0], observation, atol=1e-3)


def test_a_taken_id_is_refused_before_learning_begins() -> None:
    agent = DQN("MlpPolicy", "CartPole-v1", device="cpu")
    agent.learn(20, callback=MinariRecorder("test/taken-v0", "CartPole-v1"))
    with pytest.raises(UserError, match="already exists"):
        agent.learn(20, callback=MinariRecorder("test/taken-v0", "CartPole-v1"))
