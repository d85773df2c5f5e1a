"""Experts of the classic tasks: CartPole's holds the pole to the time limit, LunarLander's lands."""

import gymnasium as gym
import pytest

from nextlat_rl.envs.behaviours.mixture import build_behaviour


def test_expert_balances_cartpole_to_the_time_limit() -> None:
    env = gym.make("CartPole-v1")
    behaviour = build_behaviour("expert", "CartPole-v1")
    for seed in range(20):
        observation, _ = env.reset(seed=seed)
        behaviour.reset(env, seed)
        steps, over = 0, False
        while not over:
            observation, _, terminated, truncated, _ = env.step(behaviour.act(observation))
            steps, over = steps + 1, terminated or truncated
        assert steps == 500


@pytest.mark.parametrize("env_id", ["LunarLander-v3", "LunarLanderContinuous-v3"])
def test_expert_lands(env_id: str) -> None:
    pytest.importorskip("Box2D")
    env = gym.make(env_id)
    behaviour = build_behaviour("expert", env_id)
    returns = []
    for seed in range(5):
        observation, _ = env.reset(seed=seed)
        behaviour.reset(env, seed)
        total, over = 0.0, False
        while not over:
            observation, reward, terminated, truncated, _ = env.step(behaviour.act(observation))
            total, over = total + float(reward), terminated or truncated
        returns.append(total)
    assert sum(returns) / 5 > 200
