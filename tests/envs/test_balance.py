"""CartPole's expert holds the pole to the time limit."""

import gymnasium as gym

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
