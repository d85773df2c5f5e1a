from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nextlat_rl.envs import make_env
from nextlat_rl.envs.episodes import collect_episodes
from nextlat_rl.errors import UserError

TINY: dict[str, Any] = {"n_envs": 3, "n_steps": 16, "batch_size": 48, "n_epochs": 1}


@pytest.mark.parametrize("env_id", ["CartPole", "MiniGrid-Fetch-5x5-N2"])
def test_training_replay_has_exactly_the_steps_in_raw_spaces(env_id: str) -> None:
    env = make_env(env_id)
    episodes = list(collect_episodes(env_id, "sb3", steps=200, seed=10, sb3=TINY))
    assert sum(len(episode) for episode in episodes) == 200
    seeds = sorted(episode.seed for episode in episodes)
    assert seeds[0] == 10 and len(set(seeds)) == len(seeds)
    for episode in episodes:
        assert len(episode.observations) == len(episode) + 1
        assert all(env.observation_space.contains(observation) for observation in episode.observations)
        assert all(env.action_space.contains(action) for action in episode.actions)
        assert episode.terminations[-1] or episode.truncations[-1]


def test_replaying_a_training_episode_gives_it_again() -> None:
    env = make_env("Pendulum")
    settings = {"learning_starts": 150, "batch_size": 8}
    episodes = list(collect_episodes("Pendulum", "sb3", steps=250, sb3=settings))
    assert [len(episode) for episode in episodes] == [200, 50]
    for episode in episodes:
        assert np.array_equal(env.reset(seed=episode.seed)[0], episode.observations[0])
        for action, following in zip(episode.actions, episode.observations[1:], strict=True):
            assert env.action_space.contains(action)
            assert np.array_equal(env.step(action)[0], following)


def test_training_is_reproducible() -> None:
    runs = [list(collect_episodes("CartPole", "sb3", steps=150, seed=1, sb3=TINY)) for _ in range(2)]
    assert [e.actions for e in runs[0]] == [e.actions for e in runs[1]]


def test_linear_schedule_falls_to_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    from stable_baselines3.common.base_class import BaseAlgorithm

    rates: list[float] = []
    update = BaseAlgorithm._update_learning_rate

    def spy(self: Any, optimizers: Any) -> None:
        update(self, optimizers)
        rates.append(self.policy.optimizer.param_groups[0]["lr"])

    monkeypatch.setattr(BaseAlgorithm, "_update_learning_rate", spy)
    list(collect_episodes("CartPole", "sb3", steps=96, sb3={**TINY, "learning_rate": "lin_0.01"}))
    assert rates == pytest.approx([0.005, 0.0])


@pytest.mark.parametrize(
    "settings", [{"learning_rte": 1}, {"learning_rate": "lin_fast"}, {"algorithm": "dqn"}, {"algorithm": "sac"}]
)
def test_bad_settings_are_user_errors(settings: dict[str, Any]) -> None:
    with pytest.raises(UserError):
        list(collect_episodes("CartPole", "sb3", steps=10, sb3=settings))


def test_saved_policy_acts(tmp_path: Path) -> None:
    from stable_baselines3 import PPO

    path = tmp_path / "policy.zip"
    PPO("MlpPolicy", make_env("CartPole"), n_steps=16, batch_size=16, device="cpu").save(path)
    runs = [list(collect_episodes("CartPole", f"sb3:{path}", episodes=2)) for _ in range(2)]
    assert [e.actions for e in runs[0]] == [e.actions for e in runs[1]]
    with pytest.raises(UserError, match="other spaces"):
        list(collect_episodes("Acrobot", f"sb3:{path}", episodes=1))


def test_broken_policy_files_are_user_errors(tmp_path: Path) -> None:
    (tmp_path / "broken.zip").write_bytes(b"nothing")
    for name in ("missing.zip", "broken.zip"):
        with pytest.raises(UserError, match=name):
            list(collect_episodes("CartPole", f"sb3:{tmp_path / name}", episodes=1))
