"""rl-baselines3-zoo's entries become SB3's arguments, and nothing in them is run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from stable_baselines3 import DQN, PPO, SAC
from stable_baselines3.common.env_util import make_vec_env
from torch import nn

from nextlat_rl import zoo_settings
from nextlat_rl.errors import UserError

# As in hyperparams/ppo.yml, hyperparams/dqn.yml and hyperparams/sac.yml of the zoo.
PPO_ENTRY = {
    "n_envs": 8,
    "n_timesteps": 1e5,
    "policy": "MlpPolicy",
    "n_steps": 32,
    "batch_size": 256,
    "learning_rate": "lin_0.001",
    "clip_range": "lin_0.2",
    "normalize": "dict(norm_obs=True, norm_reward=False)",
    "gamma": 0.98,
    "policy_kwargs": "dict(log_std_init=-2, ortho_init=False, activation_fn=nn.ReLU, "
    "net_arch=dict(pi=[64], vf=[64, 32]))",
}
DQN_ENTRY = {"n_timesteps": 5e4, "buffer_size": 1e5, "policy": "MlpPolicy", "policy_kwargs": "dict(net_arch=[256])"}


def test_an_entry_trains_the_agent_it_describes() -> None:
    settings = zoo_settings(PPO, PPO_ENTRY)
    assert (settings.n_timesteps, settings.n_envs) == (100_000, 8)
    assert settings.normalize == {"gamma": 0.98, "norm_obs": True, "norm_reward": False}
    agent = PPO(env=make_vec_env("CartPole-v1", settings.n_envs), device="cpu", **settings.agent)
    assert agent.lr_schedule(1.0) == 0.001 and agent.lr_schedule(0.25) == 0.00025
    assert agent.clip_range(0.5) == 0.1
    assert [layer.out_features for layer in agent.policy.mlp_extractor.value_net if hasattr(layer, "weight")] == [
        64,
        32,
    ]
    assert any(isinstance(layer, nn.ReLU) for layer in agent.policy.mlp_extractor.policy_net)


def test_numbers_written_as_floats_and_lists_are_what_sb3_takes(tmp_path: Path) -> None:
    settings = zoo_settings(DQN, DQN_ENTRY)
    assert settings.normalize is None and settings.n_envs == 1
    agent = DQN(env="CartPole-v1", device="cpu", **settings.agent)
    assert agent.buffer_size == 100_000 and type(agent.buffer_size) is int
    assert zoo_settings(SAC, {"train_freq": [1, "episode"]}).agent == {"train_freq": (1, "episode")}
    wrapper = [{"gymnasium.wrappers.FlattenObservation": {}}]
    assert zoo_settings(DQN, {"env_wrapper": wrapper}).env_wrapper == wrapper
    agent.learning_rate = zoo_settings(DQN, {"learning_rate": "lin_0.5"}).agent["learning_rate"]
    agent.save(tmp_path / "agent")  # a schedule can be stored
    assert DQN.load(tmp_path / "agent").lr_schedule(0.5) == 0.25


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ({"learning_rte": 1e-3}, "no hyper-parameter 'learning_rte'"),
        ({"clip_range": 0.2}, "DQN has no hyper-parameter 'clip_range'"),
        ({"env": "CartPole-v1"}, "no hyper-parameter 'env'"),
        ({"learning_rate": "lin_fast"}, "no schedule"),
        ({"policy_kwargs": "dict(net_arch=[64]"}, "no dict"),
        ({"policy_kwargs": "dict(net_arch=__import__('os').getpid())"}, "no dict"),
        ({"policy_kwargs": "dict(activation_fn=os.system)"}, "no dict"),
        ({"policy_kwargs": "dict(**{'net_arch': [64]})"}, "no dict"),
    ],
)
def test_what_it_does_not_know_it_refuses_in_one_line(entry: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError, match=told) as caught:
        zoo_settings(DQN, entry)
    assert "\n" not in str(caught.value)
