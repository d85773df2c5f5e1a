"""Beliefs as observations: the trunk's own, also at an episode's end and after it."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from stable_baselines3 import A2C, DQN, PPO
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import DummyVecEnv, VecMonitor, VecNormalize

from nextlat_rl import (
    BeliefVecEnv,
    ImaginedReplay,
    ImaginedVecEnv,
    PlannerPolicy,
    make_belief_env,
    make_real_env,
)
from nextlat_rl.errors import UserError
from nextlat_rl.memory import Acting
from nextlat_rl.types import Step
from nextlat_rl.world_model import WorldModel
from tests.helpers.tiny import cartpole_model


@pytest.fixture(scope="module")
def cartpole() -> WorldModel:
    return WorldModel(cartpole_model(), "CartPole-v1")


def played(venv: Any, steps: int, seed: int = 0) -> list[tuple[Any, ...]]:
    """(beliefs, actions, rewards, dones, infos) of random play."""
    rng = np.random.default_rng(seed)
    log = [(venv.reset(), None, None, None, None)]
    for _ in range(steps):
        actions = rng.integers(2, size=venv.num_envs)
        log.append((*(result := venv.step(actions))[:1], actions, *result[1:]))
    return log


def followed(world_model: WorldModel, acting: Acting, episode: list[tuple[Any, int, float]]) -> torch.Tensor:
    """Beliefs `[T, D]` of one episode of (observation, action before, reward before), one at a time."""
    memory = world_model.memory(1, acting)
    beliefs = []
    for t, (observation, action, reward) in enumerate(episode):
        before = world_model.encode_actions([action])
        step = Step(
            world_model.encode_observations([observation]), before, torch.tensor([reward]), torch.tensor([t == 0])
        )
        beliefs.append(world_model.observe(step, memory)[0].clone())
    return torch.stack(beliefs)


@pytest.mark.parametrize("acting", ["trunk", "recurrent"])
def test_beliefs_are_those_of_each_episode_alone_also_at_its_end(cartpole: WorldModel, acting: Acting) -> None:
    def vec() -> DummyVecEnv:
        venv = DummyVecEnv([lambda: gym.make("CartPole-v1") for _ in range(3)])
        venv.seed(5)
        return venv

    raw, seen = played(vec(), 60), played(BeliefVecEnv(vec(), cartpole, acting), 60)
    ends = 0
    for row in range(3):
        episode = [(raw[0][0][row], 0, 0.0)]
        beliefs = [seen[0][0][row]]
        for t in range(1, 61):
            observation, action, reward, done, info = (part[row] for part in raw[t])
            last = info["terminal_observation"] if done else observation
            episode.append((last, int(action), float(reward)))
            beliefs.append(seen[t][4][row]["terminal_observation"] if done else seen[t][0][row])
            if done:
                ends += 1
                expected = followed(cartpole, acting, episode)
                torch.testing.assert_close(torch.from_numpy(np.stack(beliefs)), expected, atol=1e-5, rtol=0)
                episode, beliefs = [(observation, 0, 0.0)], [seen[t][0][row]]
    assert ends > 3


def test_stored_and_plain_environments_give_the_same_beliefs(cartpole: WorldModel) -> None:
    plain = DummyVecEnv([lambda: gym.make("CartPole-v1") for _ in range(2)])
    plain.seed(3)
    a = played(BeliefVecEnv(plain, cartpole), 30)
    b = played(make_belief_env(cartpole, 2, seed=3), 30)
    for left, right in zip(a, b, strict=True):
        np.testing.assert_allclose(left[0], right[0], atol=1e-6)


def test_the_observation_can_come_along(cartpole: WorldModel) -> None:
    venv = BeliefVecEnv(DummyVecEnv([lambda: gym.make("CartPole-v1")]), cartpole, with_observation=True)
    seen = venv.reset()
    assert venv.observation_space.contains({name: part[0] for name, part in seen.items()})
    assert set(seen) == {"belief", "observation"}
    PPO("MultiInputPolicy", venv, n_steps=16, batch_size=16).learn(32)


@pytest.mark.parametrize("algorithm", [PPO, A2C, DQN])
def test_sb3_trains_saves_and_continues_on_beliefs(cartpole: WorldModel, algorithm: Any, tmp_path: Any) -> None:
    short = {"n_steps": 16, "batch_size": 16} if algorithm is PPO else {}
    short |= {"learning_starts": 20} if algorithm is DQN else {}
    agent = algorithm("MlpPolicy", VecNormalize(make_belief_env(cartpole, 2)), seed=0, **short).learn(64)
    agent.save(tmp_path / "agent")
    again = algorithm.load(tmp_path / "agent", env=VecNormalize(make_belief_env(cartpole, 2))).learn(32)
    mean, _ = evaluate_policy(again, make_belief_env(cartpole, 2, seed=7), n_eval_episodes=2)
    assert mean >= 1


def test_monitored_returns_come_through(cartpole: WorldModel) -> None:
    infos = [info for step in played(make_belief_env(cartpole, 2), 60)[1:] for info in step[4]]
    assert any("episode" in info for info in infos)


def test_wrong_worlds_get_one_clear_line(cartpole: WorldModel) -> None:
    with pytest.raises(UserError, match="do not fit"):
        BeliefVecEnv(DummyVecEnv([lambda: gym.make("Acrobot-v1")]), cartpole)
    with pytest.raises(UserError, match="VecNormalize around it"):
        BeliefVecEnv(VecNormalize(VecMonitor(DummyVecEnv([lambda: gym.make("CartPole-v1")]))), cartpole)
    with pytest.raises(UserError, match="do not fit"):
        make_real_env(WorldModel(cartpole_model(), "Acrobot-v1"))


def test_dynamics_that_were_not_trained_are_refused() -> None:
    gpt = WorldModel(cartpole_model(), "CartPole-v1", objective="gpt")
    with pytest.raises(UserError, match=r'objective=gpt leaves untrained.*acting="trunk"'):
        make_belief_env(gpt)
    venv = make_belief_env(gpt, acting="trunk").venv
    with pytest.raises(UserError, match="planning or drafting"):
        PlannerPolicy(gpt, venv, planner="lookahead")
    with pytest.raises(UserError, match="imagination"):
        ImaginedVecEnv(gpt, 2, torch.zeros(3, gpt.model.config.width), 5)
    with pytest.raises(UserError, match="imagination"):
        ImaginedReplay(gpt)
