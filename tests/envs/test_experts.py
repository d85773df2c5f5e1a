"""Experts of single tasks: CartPole's balances, MountainCar's climbs, LunarLander's lands, Memory's remembers."""

from typing import Any

import pytest

from nextlat_rl.envs import make_env
from nextlat_rl.envs.episodes import collect_episodes
from nextlat_rl.envs.mixture import build_behaviour


def returns(env_id: str, episodes: int) -> list[float]:
    return [sum(episode.rewards) for episode in collect_episodes(env_id, "expert", episodes=episodes)]


def test_expert_balances_cartpole_to_the_time_limit() -> None:
    assert returns("CartPole-v1", 20) == [500] * 20


def test_expert_climbs_the_mountain() -> None:
    assert min(returns("MountainCarContinuous-v0", 20)) > 95


@pytest.mark.parametrize("env_id", ["LunarLander-v3", "LunarLanderContinuous-v3"])
def test_expert_lands(env_id: str) -> None:
    pytest.importorskip("Box2D")
    assert sum(returns(env_id, 5)) / 5 > 200


@pytest.mark.parametrize("env_id", ["MiniGrid-MemoryS7", "MiniGrid-MemoryS13Random"])
def test_memorys_expert_has_seen_the_object_before_it_chooses(env_id: str) -> None:
    """It wins every time, and no episode goes on before the object of the first room was in view."""
    env, expert = make_env(env_id), build_behaviour("expert", env_id)
    for seed in range(30):
        observation, _ = env.reset(seed=seed)
        expert.reset(env, seed)
        level: Any = env.unwrapped
        cue, done, seen = (1, level.height // 2 - 1), False, False
        while not done:
            seen |= level.agent_sees(*cue)
            observation, reward, terminated, truncated, _ = env.step(expert.act(observation))
            done = terminated or truncated
        assert float(reward) > 0.8
        assert seen


def test_memorys_expert_gets_over_random_actions() -> None:
    episodes = collect_episodes("MiniGrid-MemoryS7", "expert", episodes=40, epsilon=0.1)
    assert sum(sum(episode.rewards) > 0 for episode in episodes) >= 36
