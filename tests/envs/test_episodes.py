import itertools
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from nextlat_rl.envs import make_env
from nextlat_rl.envs.episodes import Episode, collect_episodes, default_behaviour
from nextlat_rl.errors import UserError
from nextlat_rl.seeds import EVALUATION_SEED


def same(a: Any, b: Any) -> bool:
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[name], b[name]) for name in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return bool(np.array_equal(a, b))


def assert_consistent(episode: Episode, env: gym.Env) -> None:
    steps = len(episode)
    assert len(episode.observations) == steps + 1
    assert len(episode.rewards) == len(episode.terminations) == len(episode.truncations) == steps
    assert not any(episode.terminations[:-1]) and not any(episode.truncations[:-1])
    assert episode.terminations[-1] or episode.truncations[-1]
    assert all(env.observation_space.contains(observation) for observation in episode.observations)
    assert all(env.action_space.contains(action) for action in episode.actions)


def test_seeds_are_recorded_and_reset_the_environment() -> None:
    env = make_env("CartPole")
    episodes = list(collect_episodes("CartPole", "random", episodes=5, seed=100))
    assert [episode.seed for episode in episodes] == [100, 101, 102, 103, 104]
    for episode in episodes:
        assert_consistent(episode, env)
        assert np.array_equal(episode.observations[0], env.reset(seed=episode.seed)[0])


def test_replaying_the_actions_gives_the_episode() -> None:
    env = make_env("MiniGrid-DoorKey-5x5")
    (episode,) = collect_episodes("MiniGrid-DoorKey-5x5", "explorer", episodes=1, seed=4, epsilon=0.2)
    env.reset(seed=4)
    for t, action in enumerate(episode.actions):
        observation, reward, terminated, truncated, _ = env.step(action)
        assert same(observation, episode.observations[t + 1])
        assert (reward, terminated, truncated) == (
            episode.rewards[t],
            episode.terminations[t],
            episode.truncations[t],
        )


def test_episodes_do_not_depend_on_workers() -> None:
    arguments: dict[str, Any] = {"steps": 400, "seed": 3, "epsilon": 0.1}
    behaviour = "explorer:0.7+random:0.3"
    one = list(collect_episodes("MiniGrid-FourRooms", behaviour, **arguments, workers=1))
    two = list(collect_episodes("MiniGrid-FourRooms", behaviour, **arguments, workers=2))
    assert [vars(e).keys() for e in one] == [vars(e).keys() for e in two]
    assert all(same(vars(a)[name], vars(b)[name]) for a, b in zip(one, two, strict=True) for name in vars(a))


def test_stops_after_the_episode_that_reaches_the_steps() -> None:
    episodes = list(collect_episodes("CartPole", "random", steps=100))
    lengths = [len(episode) for episode in episodes]
    assert sum(lengths[:-1]) < 100 <= sum(lengths)


def test_progress_counts_steps_and_episodes() -> None:
    seen: list[tuple[int, int, float]] = []
    episodes = list(collect_episodes("CartPole", "random", episodes=3, on_progress=lambda *args: seen.append(args)))
    lengths = list(itertools.accumulate(len(episode) for episode in episodes))
    assert [steps for steps, _, _ in seen] == lengths
    assert seen[-1] == (lengths[-1], 3, pytest.approx(lengths[-1] / 3))


def test_evaluation_seeds_are_refused() -> None:
    with pytest.raises(UserError, match="evaluation"):
        collect_episodes("CartPole", "random", episodes=1, seed=EVALUATION_SEED)
    with pytest.raises(UserError, match="evaluation"):
        collect_episodes("CartPole", "random", episodes=2, seed=EVALUATION_SEED - 1)
    with pytest.raises(UserError, match="evaluation"):
        list(collect_episodes("CartPole", "random", steps=10_000, seed=EVALUATION_SEED - 2))


def test_worker_errors_surface_as_they_are() -> None:
    with pytest.raises(UserError, match="MiniGrid"):
        list(collect_episodes("CartPole", "explorer", episodes=2, workers=2))


def test_leaving_early_ends_the_workers() -> None:
    import multiprocessing

    source = collect_episodes("CartPole", "random", steps=10_000_000, workers=2)
    next(source)
    source.close()  # type: ignore[attr-defined]
    assert not multiprocessing.active_children()


@pytest.mark.parametrize(
    "arguments",
    [
        {"behaviour": "random"},
        {"behaviour": "random", "steps": 0},
        {"behaviour": "random", "steps": 1, "epsilon": 2.0},
        {"behaviour": "random", "steps": 1, "seed": -1},
        {"behaviour": "random", "steps": 1, "workers": 0},
        {"behaviour": "sb3", "episodes": 3},
        {"behaviour": "sb3", "steps": 100, "epsilon": 0.1},
        {"behaviour": "nonsense", "steps": 1},
    ],
)
def test_bad_arguments_are_user_errors(arguments: dict[str, Any]) -> None:
    with pytest.raises(UserError):
        list(collect_episodes("CartPole", **arguments))


@pytest.mark.parametrize(
    ("env_id", "behaviour"),
    [
        ("MiniGrid-FourRooms", "explorer"),
        ("MiniGrid-Fetch-5x5-N2", "sb3"),
        ("MiniGrid-Dynamic-Obstacles-6x6", "sb3"),
        ("BabyAI-GoToRedBall", "expert"),
        ("CartPole", "sb3"),
        ("Pendulum", "sb3"),
    ],
)
def test_default_behaviour(env_id: str, behaviour: str) -> None:
    assert default_behaviour(env_id) == behaviour
