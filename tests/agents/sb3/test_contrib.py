"""sb3-contrib's agents train on beliefs, in imagination, with imagined replay and on offline data as SB3's own do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sb3_contrib
import torch

from nextlat_rl import ImaginedReplay, ImaginedVecEnv, load_offline, make_belief_env
from nextlat_rl.data.minari_io import write_dataset
from nextlat_rl.envs import make_env
from nextlat_rl.envs.episodes import collect_episodes
from nextlat_rl.world_model import WorldModel
from tests.helpers.tiny import cartpole_model, pendulum_model


@pytest.fixture(scope="module")
def cartpole() -> WorldModel:
    return WorldModel(cartpole_model(), "CartPole-v1")


def make(name: str, policy: str, venv: Any) -> Any:
    short = {
        "RecurrentPPO": {"n_steps": 16, "batch_size": 16},
        "TRPO": {"n_steps": 16, "batch_size": 16},
        "QRDQN": {"learning_starts": 20, "buffer_size": 1000},
        "TQC": {"learning_starts": 20, "buffer_size": 1000},
    }
    return getattr(sb3_contrib, name)(policy, venv, seed=0, device="cpu", **short[name])


@pytest.mark.parametrize(
    ("name", "policy"), [("RecurrentPPO", "MlpLstmPolicy"), ("TRPO", "MlpPolicy"), ("QRDQN", "MlpPolicy")]
)
def test_agents_for_discrete_actions_learn_from_beliefs_and_in_imagination(
    cartpole: WorldModel, name: str, policy: str
) -> None:
    starts = torch.randn(5, 16, generator=torch.Generator().manual_seed(0))
    for venv in (make_belief_env(cartpole, 2), ImaginedVecEnv(cartpole, 2, starts, horizon=9)):
        agent = make(name, policy, venv)
        before = [p.clone() for p in agent.policy.parameters()]
        agent.learn(64)
        assert any((a != b).any() for a, b in zip(before, agent.policy.parameters(), strict=True))


def test_qrdqn_starts_from_a_data_set(cartpole: WorldModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    env = make_env("CartPole-v1")
    walks = collect_episodes("CartPole-v1", "random", episodes=5)
    write_dataset("test/x-v0", "CartPole-v1", env.observation_space, env.action_space, walks, behaviour="random")
    agent = make("QRDQN", "MlpPolicy", "CartPole-v1")
    assert load_offline(agent, "test/x-v0") == agent.replay_buffer.size() > 0
    agent.learn(64)


def test_tqc_gets_imagined_transitions() -> None:
    world_model = WorldModel(pendulum_model(), "Pendulum-v1")
    agent = make("TQC", "MlpPolicy", make_belief_env(world_model, 1))
    callback = ImaginedReplay(world_model, ratio=1.0, horizon=1, every=16)
    agent.learn(100, callback=callback)
    assert callback.imagined > 0
    assert agent.replay_buffer.pos == 100 + callback.imagined
