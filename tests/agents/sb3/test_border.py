"""Actions and observations that do not count from 0, at every place where a Stable-Baselines3 agent meets them."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from stable_baselines3 import DQN, PPO, SAC
from stable_baselines3.common.vec_env import DummyVecEnv

from nextlat_rl import BeliefPolicy, BeliefVecEnv, ImaginedReplay, ImaginedVecEnv, make_belief_env
from nextlat_rl.agents.sb3.offline import load_offline
from nextlat_rl.data.minari_io import load_dataset, write_dataset
from nextlat_rl.data.store import store_of_episodes
from nextlat_rl.envs import make_env
from nextlat_rl.envs.behaviours.sb3 import SavedPolicyBehaviour
from nextlat_rl.envs.episode import roll_out
from nextlat_rl.envs.episodes import collect_episodes
from nextlat_rl.envs.sb3.border import SB3Border
from nextlat_rl.models.config import ModelConfig
from nextlat_rl.models.nextlat import NextLat
from nextlat_rl.training.build import value_statistics
from nextlat_rl.types import Spaces
from nextlat_rl.world_model import WorldModel
from tests.helpers.unusual import register

SPACES: dict[str, gym.Space] = {
    "Discrete": gym.spaces.Discrete(3, start=2),
    "MultiDiscrete": gym.spaces.MultiDiscrete([[2, 3], [4, 2]], start=[[1, -1], [5, 0]]),
    "MultiBinary": gym.spaces.MultiBinary((2, 2)),
    "Integers": gym.spaces.Box(np.array([-3, 0]), np.array([4, 10]), dtype=np.int32),
}


def world_model(name: str) -> WorldModel:
    """An untrained one of a `Small` environment, which refuses illegal actions."""
    env = make_env(name)
    store = store_of_episodes(env.observation_space, env.action_space, collect_episodes(name, "random", episodes=4))
    torch.manual_seed(0)
    statistics = {**store.statistics, "value": value_statistics(store, 0.9)}
    return WorldModel(
        NextLat(Spaces(env.observation_space, env.action_space, statistics), ModelConfig(1, 2, 16, 8, 16)), name
    )


@pytest.mark.parametrize("kind", SPACES)
def test_border_goes_both_ways(kind: str) -> None:
    space = SPACES[kind]
    border = SB3Border(space)
    border.inside.seed(0)
    for _ in range(20):
        given = border.inside.sample()
        outside = border.to_outside(given)
        assert space.contains(outside), outside
        back = border.to_inside(outside)
        assert np.abs(back - given).max() <= (0.5 if kind == "Integers" else 0)
    many = border.to_outside(np.stack([border.inside.sample() for _ in range(5)]))
    assert all(space.contains(one[()] if kind == "Discrete" else one) for one in many)
    assert border.to_inside(many).shape == (5, *border.inside.shape)


@pytest.mark.parametrize("kind", SPACES)
def test_sb3_gathers_actions_of_the_environment(kind: str) -> None:
    name = register(f"Gathered{kind}", action_space=SPACES[kind])
    settings = {"learning_starts": 10} if kind == "Integers" else {"n_steps": 8, "n_envs": 2, "batch_size": 16}
    episodes = list(collect_episodes(name, "sb3", steps=40, sb3=settings))
    actions = [action for episode in episodes for action in episode.actions]
    assert len(actions) == 40 and all(SPACES[kind].contains(action) for action in actions)
    assert len({str(action) for action in actions}) > 1


def test_a_saved_policy_acts_in_the_environments_numbers(tmp_path: Path) -> None:
    name = register("Saved", action_space=SPACES["Discrete"])
    from nextlat_rl.envs.sb3.border import SB3Actions

    model = PPO("MlpPolicy", SB3Actions(make_env(name)), n_steps=16, batch_size=16)
    model.save(tmp_path / "policy.zip")
    episode = roll_out(make_env(name), SavedPolicyBehaviour(str(tmp_path / "policy.zip")), 0)
    assert all(SPACES["Discrete"].contains(action) for action in episode.actions)


@pytest.mark.parametrize("kind", SPACES)
def test_ppo_learns_on_beliefs_and_in_imagination(kind: str) -> None:
    wm = world_model(register(f"Believed{kind}", action_space=SPACES[kind]))
    real = make_belief_env(wm, n_envs=2)
    starts = torch.randn(8, wm.belief_size)
    for venv in (real, ImaginedVecEnv(wm, 2, starts, horizon=3)):
        assert venv.action_space == SB3Border(SPACES[kind]).inside
        PPO("MlpPolicy", venv, n_steps=8, batch_size=16, n_epochs=1).learn(16)
    if kind in ("Discrete", "MultiDiscrete"):
        agent = PPO(BeliefPolicy, real, n_steps=8, batch_size=16, policy_kwargs={"world_model": wm})
        belief = torch.randn(1, wm.belief_size)
        chosen = agent.predict(belief.numpy(), deterministic=True)[0][0]
        expected = wm.decode_actions(wm.policy(belief))[0]
        assert np.array_equal(SB3Border(SPACES[kind]).to_outside(chosen), expected)


def test_beliefs_follow_the_action_that_the_environment_got() -> None:
    name = register("Followed", action_space=SPACES["Discrete"])
    wm = world_model(name)
    venv = BeliefVecEnv(DummyVecEnv([lambda: make_env(name)]), wm, "trunk")
    venv.seed(0)
    venv.reset()
    beliefs, rewards, _, _ = venv.step(np.array([1]))
    env, memory = make_env(name), wm.memory(1, "trunk")
    wm.observe(wm.first_step([env.reset(seed=0)[0]]), memory)
    observation, reward, *_ = env.step(np.int64(3))
    assert reward == pytest.approx(rewards[0])
    step = wm.first_step([observation])
    step.previous_action, step.previous_reward = wm.encode_actions([3]), torch.tensor([reward], dtype=torch.float32)
    step.is_first = torch.tensor([False])
    assert np.allclose(beliefs, wm.observe(step, memory).numpy(), atol=1e-5)


def test_imagined_transitions_of_dqn_and_sac_keep_the_agents_actions() -> None:
    wm = world_model(register("Dyna", action_space=SPACES["Discrete"]))
    agent: Any = DQN("MlpPolicy", make_belief_env(wm), learning_starts=4, buffer_size=200)
    agent.learn(20, callback=ImaginedReplay(wm, every=8, horizon=2))
    stored = agent.replay_buffer.actions[: agent.replay_buffer.pos]
    assert len(stored) > 20 and set(stored.reshape(-1).tolist()) <= {0, 1, 2}
    wm = world_model(register("DynaIntegers", action_space=SPACES["Integers"]))
    agent = SAC("MlpPolicy", make_belief_env(wm), learning_starts=4, buffer_size=200)
    agent.learn(20, callback=ImaginedReplay(wm, every=8, horizon=2))
    assert np.abs(agent.replay_buffer.actions[: agent.replay_buffer.pos]).max() <= 1


def test_offline_data_are_shifted_into_the_buffer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    seen = gym.spaces.Discrete(4, start=5)
    name = register("Offline", action_space=SPACES["Discrete"], observation_space=seen)
    episodes = list(collect_episodes(name, "random", episodes=3))
    write_dataset("test/offline-v0", name, seen, SPACES["Discrete"], episodes, behaviour="random")

    class Inside(gym.Env):
        observation_space, action_space = gym.spaces.Discrete(4), gym.spaces.Discrete(3)

    agent: Any = DQN("MlpPolicy", DummyVecEnv([Inside]), buffer_size=100)
    assert load_offline(agent, load_dataset("test/offline-v0")) == 30
    actions = np.concatenate([episode.actions for episode in episodes])
    observations = np.concatenate([episode.observations[:-1] for episode in episodes])
    assert np.array_equal(agent.replay_buffer.actions[:30].reshape(-1), actions - 2)
    assert np.array_equal(agent.replay_buffer.observations[:30].reshape(-1), observations - 5)


def test_a_belief_environment_can_be_sent_to_another_process() -> None:
    wm = world_model(register("Sent"))
    sent: WorldModel = pickle.loads(pickle.dumps(wm))
    belief = torch.randn(3, wm.belief_size)
    assert torch.equal(sent.value(belief), wm.value(belief)) and sent.env_id == wm.env_id
