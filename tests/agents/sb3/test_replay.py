"""Imagined transitions in the replay buffer: as many as asked for, and the world model's own."""

from __future__ import annotations

from typing import Literal

import gymnasium as gym
import numpy as np
import pytest
import torch
from stable_baselines3 import DQN, PPO, SAC
from stable_baselines3.common.vec_env import DummyVecEnv

from nextlat_rl import ImaginedReplay, make_belief_env
from nextlat_rl.errors import UserError
from nextlat_rl.world_model import WorldModel
from tests.helpers.tiny import cartpole_model, pendulum_model


@pytest.fixture(scope="module")
def cartpole() -> WorldModel:
    return WorldModel(cartpole_model(), "CartPole-v1")


def test_dqn_gets_the_asked_for_ratio_of_the_models_own_steps(cartpole: WorldModel) -> None:
    agent = DQN("MlpPolicy", make_belief_env(cartpole, 2), learning_starts=100, buffer_size=4000, seed=0, device="cpu")
    callback = ImaginedReplay(cartpole, ratio=2.0, horizon=2, every=32)
    agent.learn(1000, callback=callback)
    buffer = agent.replay_buffer
    assert buffer is not None
    assert buffer.pos * 2 == 1000 + callback.imagined
    # Untrained, the model ends about every second episode at once, so roll-outs are shorter than asked for.
    assert 0.5 * 2 * 900 < callback.imagined <= 2 * 900 + 128
    # An imagined transition of the buffer is a step of the dynamics; a real one is not.
    model, found = cartpole.model, 0
    before, after = (torch.from_numpy(x[: buffer.pos, 0]) for x in (buffer.observations, buffer.next_observations))
    action = torch.from_numpy(buffer.actions[: buffer.pos, 0, 0])
    with torch.no_grad():
        ends = torch.sigmoid(model.transition(model.after(before, model.embed_action(action.to(torch.uint8)))).end)
    assert 0.2 < float(ends.mean()) < 0.8
    found = int((buffer.dones[: buffer.pos, 0] > 0).sum())
    assert found > 0.2 * buffer.pos  # imagined ends are kept as ends
    assert np.isfinite(after.numpy()).all()


def test_sac_stores_scaled_actions() -> None:
    world_model = WorldModel(pendulum_model(), "Pendulum-v1")
    agent = SAC("MlpPolicy", make_belief_env(world_model, 1), learning_starts=50, seed=0, device="cpu")
    callback = ImaginedReplay(world_model, ratio=1.0, horizon=1, every=16)
    agent.learn(150, callback=callback)
    buffer = agent.replay_buffer
    assert buffer is not None and callback.imagined > 0
    assert np.abs(buffer.actions[: buffer.pos]).max() <= 1.0


@pytest.mark.parametrize("rollout", ["sample", "argmax"])
def test_only_the_most_likely_transitions_are_the_same_every_time(rollout: Literal["sample", "argmax"]) -> None:
    world_model = WorldModel(pendulum_model(), "Pendulum-v1")
    agent = SAC("MlpPolicy", make_belief_env(world_model, 1), learning_starts=50, seed=0, device="cpu")
    callback = ImaginedReplay(world_model, ratio=1.0, horizon=2, every=16, rollout=rollout)
    agent.learn(150, callback=callback)
    buffer = agent.replay_buffer
    assert buffer is not None and callback.imagined > 0
    belief, after = (torch.from_numpy(x[: buffer.pos, 0]) for x in (buffer.observations, buffer.next_observations))
    action = world_model.encode_actions(list(agent.policy.unscale_action(buffer.actions[: buffer.pos, 0])))
    noise = torch.zeros(buffer.pos, world_model.transition_num_uniforms)
    with torch.no_grad():
        likeliest, reward, _ = world_model.imagine_step(belief, action, "argmax", noise)[:3]
    same = torch.isclose(likeliest, after, atol=1e-4).all(1).numpy()
    assert same.sum() == (callback.imagined if rollout == "argmax" else 0)
    np.testing.assert_allclose(reward.numpy()[same], buffer.rewards[: buffer.pos, 0][same], atol=1e-4)


def test_no_ratio_no_imagination(cartpole: WorldModel) -> None:
    with pytest.raises(UserError, match="ratio=-1"):
        ImaginedReplay(cartpole, ratio=-1)
    with pytest.raises(UserError, match="horizon"):
        ImaginedReplay(cartpole, horizon=0)
    with pytest.raises(UserError, match="rollout=open_loop"):
        ImaginedReplay(cartpole, rollout="open_loop")  # type: ignore[arg-type]


def test_agents_it_cannot_serve_are_told_so(cartpole: WorldModel) -> None:
    with pytest.raises(UserError, match="replay buffer, not PPO"):
        PPO("MlpPolicy", make_belief_env(cartpole, 1), device="cpu").learn(10, callback=ImaginedReplay(cartpole))
    plain = DQN("MlpPolicy", DummyVecEnv([lambda: gym.make("CartPole-v1")]), device="cpu")
    with pytest.raises(UserError, match="make_belief_env"):
        plain.learn(10, callback=ImaginedReplay(cartpole))
