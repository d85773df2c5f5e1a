"""An agent on `BeliefPolicy` begins as the world model's policy and value, learns, and leaves the world model alone."""

from __future__ import annotations

from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import torch
from stable_baselines3 import A2C, PPO

from nextlat_rl import BeliefPolicy, make_belief_env
from nextlat_rl.agents.sb3.policy import policy_weights
from nextlat_rl.errors import UserError
from nextlat_rl.spaces.categorical import MultiDiscreteCodec
from nextlat_rl.world_model import WorldModel
from tests.helpers.tiny import cartpole_model, pendulum_model


@pytest.fixture
def cartpole() -> WorldModel:
    model = cartpole_model()
    with torch.no_grad():  # an untrained value head is flat
        model.value.logits.weight.normal_()
    return WorldModel(model, "CartPole-v1")


def agent(world_model: WorldModel, algorithm: type = PPO) -> PPO:
    venv = make_belief_env(world_model, 2)
    return algorithm(BeliefPolicy, venv, n_steps=32, policy_kwargs={"world_model": world_model}, seed=0, device="cpu")


@pytest.mark.parametrize("algorithm", [PPO, A2C])
def test_begins_as_the_world_models_heads(cartpole: WorldModel, algorithm: type) -> None:
    policy = agent(cartpole, algorithm).policy
    belief = torch.randn(7, cartpole.model.config.width, generator=torch.Generator().manual_seed(1))
    logits = cartpole.model.action.head(belief).log_softmax(-1)
    torch.testing.assert_close(policy.get_distribution(belief).distribution.logits, logits)
    torch.testing.assert_close(policy.predict_values(belief)[:, 0], cartpole.value(belief))
    assert cartpole.value(belief).std() > 0


def test_learns_and_leaves_the_world_model_alone(cartpole: WorldModel) -> None:
    before = {name: value.clone() for name, value in cartpole.model.state_dict().items()}
    ppo = agent(cartpole)
    first = {name: value.clone() for name, value in ppo.policy.state_dict().items()}
    ppo.learn(64)
    changed = {name for name, value in ppo.policy.state_dict().items() if not torch.equal(value, first[name])}
    assert {"action_net.weight", "value_net.weight", "mlp_extractor.network.policy_net.0.weight"} <= changed
    assert not any("mlp_extractor.value" in name for name in changed)
    for name, value in cartpole.model.state_dict().items():
        assert torch.equal(value, before[name])


def test_save_load(cartpole: WorldModel, tmp_path: Path) -> None:
    ppo = agent(cartpole).learn(64)
    ppo.save(tmp_path / "agent")
    again = PPO.load(tmp_path / "agent", env=make_belief_env(cartpole, 2), device="cpu")
    belief = np.random.default_rng(0).normal(size=(5, cartpole.model.config.width)).astype(np.float32)
    np.testing.assert_array_equal(
        ppo.predict(belief, deterministic=True)[0], again.predict(belief, deterministic=True)[0]
    )
    value, other = (a.policy.predict_values(torch.from_numpy(belief)) for a in (ppo, again))
    assert torch.equal(value, other)
    again.learn(64)


def test_fields_of_different_sizes_come_in_sb3s_order() -> None:
    codec = MultiDiscreteCodec(gym.spaces.MultiDiscrete([3, 2, 3]), 4, {})
    weight, bias = policy_weights(codec)
    features, action = torch.randn(6, 4), torch.tensor([[2, 0, 1], [0, 1, 2]]).repeat(3, 1)
    fields = (features @ weight.T + bias).split([3, 2, 3], -1)
    rows = torch.arange(6)
    expected = sum(logits.log_softmax(-1)[rows, action[:, i]] for i, logits in enumerate(fields))
    torch.testing.assert_close(codec.log_prob(codec.head(features), action), expected)


def test_refuses_what_it_cannot_start_from(cartpole: WorldModel) -> None:
    with pytest.raises(UserError, match="make_belief_env"):
        PPO(BeliefPolicy, "CartPole-v1", policy_kwargs={"world_model": cartpole})
    pendulum = WorldModel(pendulum_model(), "Pendulum-v1")
    with pytest.raises(UserError, match="MlpPolicy"):
        PPO(BeliefPolicy, make_belief_env(pendulum), policy_kwargs={"world_model": pendulum})
