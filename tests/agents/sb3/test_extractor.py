"""The extractor's features are the world model's beliefs; fine-tuning changes a copy."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
import torch
from stable_baselines3 import PPO

from nextlat_rl import BeliefExtractor
from nextlat_rl.errors import UserError
from nextlat_rl.world_model import WorldModel
from tests.helpers.tiny import cartpole_model


@pytest.fixture
def cartpole() -> WorldModel:
    return WorldModel(cartpole_model(), "CartPole-v1")


def agent(world_model: WorldModel, fine_tune: bool) -> PPO:
    kwargs = {
        "features_extractor_class": BeliefExtractor,
        "features_extractor_kwargs": {"world_model": world_model, "fine_tune": fine_tune},
    }
    return PPO("MlpPolicy", "CartPole-v1", n_steps=64, policy_kwargs=kwargs, seed=0, device="cpu")


def test_features_are_beliefs_of_first_steps(cartpole: WorldModel) -> None:
    observations = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    belief = cartpole.observe(cartpole.first_step(list(observations)), cartpole.memory(5))
    features = BeliefExtractor(gym.make("CartPole-v1").observation_space, cartpole)(torch.from_numpy(observations))
    torch.testing.assert_close(features, belief, atol=1e-5, rtol=0)


@pytest.mark.parametrize("fine_tune", [False, True])
def test_learning_changes_the_copy_only_if_asked_to(cartpole: WorldModel, fine_tune: bool) -> None:
    before = {name: value.clone() for name, value in cartpole.model.state_dict().items()}
    ppo = agent(cartpole, fine_tune)
    assert torch.equal(ppo.policy.features_extractor.model.trunk.norm.weight, before["trunk.norm.weight"])
    ppo.learn(64)
    extractor = ppo.policy.features_extractor
    trunk = extractor.model.trunk.state_dict(prefix="trunk.")
    same = [torch.equal(value, before[name]) for name, value in trunk.items()]
    assert all(same) != fine_tune
    for name, value in cartpole.model.state_dict().items():
        assert torch.equal(value, before[name])


def test_a_saved_agent_predicts_the_same(cartpole: WorldModel, tmp_path: object) -> None:
    ppo = agent(cartpole, True)
    ppo.learn(64)
    ppo.save(f"{tmp_path}/agent")
    observation = np.zeros(4, np.float32)
    again = PPO.load(f"{tmp_path}/agent", device="cpu")
    value, other = (a.policy.predict_values(torch.from_numpy(observation)[None]).item() for a in (ppo, again))
    assert value == other


def test_other_observations_are_refused(cartpole: WorldModel) -> None:
    with pytest.raises(UserError, match="BeliefVecEnv"):
        BeliefExtractor(gym.spaces.Discrete(3), cartpole)
    with pytest.raises(UserError):
        BeliefExtractor(gym.spaces.Box(-1, 1, (3,)), cartpole)
