"""`predict` plays what our own agents play."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import DummyVecEnv

from nextlat_rl import PlannerPolicy, make_real_env
from nextlat_rl.agents.agent import Agent
from nextlat_rl.agents.episodes import run_episodes
from nextlat_rl.world_model import WorldModel
from tests.helpers.tiny import cartpole_model


@pytest.fixture(scope="module")
def cartpole() -> WorldModel:
    return WorldModel(cartpole_model(), "CartPole-v1")


@pytest.mark.parametrize("speculate", [False, True])
@pytest.mark.parametrize("stored", [False, True])
def test_evaluate_policy_sees_the_agents_own_episodes(cartpole: WorldModel, speculate: bool, stored: bool) -> None:
    seeds = [21, 22, 23]
    results, _ = run_episodes("CartPole-v1", Agent(cartpole, 3, deterministic=True), seeds, 3)
    venv = make_real_env(cartpole, 3) if stored else DummyVecEnv([lambda: gym.make("CartPole-v1") for _ in seeds])
    venv.seed(seeds[0])
    policy = PlannerPolicy(cartpole, venv, speculate=speculate)
    returns, _ = evaluate_policy(policy, venv, n_eval_episodes=3, return_episode_rewards=True, warn=False)
    assert sorted(returns) == sorted(result.episode_return for result in results)


def test_planner_decides_and_one_observation_gets_one_action(cartpole: WorldModel) -> None:
    venv = make_real_env(cartpole, 1)
    policy = PlannerPolicy(cartpole, venv, planner="lookahead")
    observation = {name: leaf[0] for name, leaf in venv.reset().items()}
    action, state = policy.predict(observation, deterministic=True)
    assert action.shape == ()
    again, state = policy.predict(observation, state)
    assert cartpole.model.spaces.action.contains(int(again))


def test_drawn_actions_differ_by_seed_only(cartpole: WorldModel) -> None:
    def actions(seed: int) -> list[list[int]]:
        venv = make_real_env(cartpole, 4)
        policy, seen, state, start = PlannerPolicy(cartpole, venv, seed=seed), venv.reset(), None, np.ones(4, bool)
        taken = []
        for _ in range(20):
            action, state = policy.predict(seen, state, start)
            seen, _, start, _ = venv.step(action)
            taken.append(action.tolist())
        return taken

    assert actions(0) == actions(0) != actions(1)
