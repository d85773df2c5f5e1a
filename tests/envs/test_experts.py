"""Experts of the classic tasks: CartPole's holds the pole to the time limit, LunarLander's lands."""

import pytest

from nextlat_rl.envs.episodes import collect_episodes


def returns(env_id: str, episodes: int) -> list[float]:
    return [sum(episode.rewards) for episode in collect_episodes(env_id, "expert", episodes=episodes)]


def test_expert_balances_cartpole_to_the_time_limit() -> None:
    assert returns("CartPole-v1", 20) == [500] * 20


@pytest.mark.parametrize("env_id", ["LunarLander-v3", "LunarLanderContinuous-v3"])
def test_expert_lands(env_id: str) -> None:
    pytest.importorskip("Box2D")
    assert sum(returns(env_id, 5)) / 5 > 200
