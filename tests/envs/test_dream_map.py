"""Dead reckoning draws a map that real episodes never contradict, and dreams that forget do."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest

from nextlat_rl.envs import make_env
from nextlat_rl.envs.minigrid.constants import WALL
from nextlat_rl.envs.minigrid.dream_map import DreamMaps, dream_maps


def played(env_id: str, actions: int, seeds: range, steps: int = 60) -> tuple[np.ndarray, ...]:
    """Views, actions, lengths and first directions of random play with the first `actions` actions."""
    env: gym.Env = make_env(env_id)
    count = len(seeds)
    views, chosen = np.zeros((count, steps + 1, 7, 7, 3), np.uint8), np.zeros((count, steps), int)
    length, direction = np.full(count, steps), np.zeros(count, int)
    for i, seed in enumerate(seeds):
        rng = np.random.default_rng(seed)
        observation, _ = env.reset(seed=seed)
        views[i, 0], direction[i] = observation["image"], observation["direction"]
        for k in range(steps):
            chosen[i, k] = rng.choice(
                actions, p=np.array([1, 1, 3, 1, 1, 1][:actions]) / sum([1, 1, 3, 1, 1, 1][:actions])
            )
            observation, _, terminated, truncated, _ = env.step(chosen[i, k])
            views[i, k + 1] = observation["image"]
            if terminated or truncated:
                length[i] = k + 1
                break
    env.close()
    return views, chosen, length, direction


@pytest.mark.parametrize(
    ("env_id", "actions"),
    [
        ("MiniGrid-FourRooms-v0", 3),
        ("MiniGrid-DoorKey-8x8-v0", 3),
        ("MiniGrid-DoorKey-8x8-v0", 6),
        ("MiniGrid-UnlockPickup-v0", 6),
        ("MiniGrid-LavaGapS6-v0", 3),
    ],
)
def test_real_episodes_have_no_contradictions(env_id: str, actions: int) -> None:
    views, chosen, length, direction = played(env_id, actions, range(12))
    found = dream_maps(views, chosen, length, direction)
    assert found.contradictions_per_step == 0
    assert not found.conflicts.any()
    assert found.checked.sum() == (length + 1).sum()
    without = dream_maps(views, chosen, length)
    assert without.contradictions_per_step == 0


def test_the_map_is_the_level() -> None:
    views, chosen, length, direction = played("MiniGrid-FourRooms-v0", 3, range(1), steps=90)
    found = dream_maps(views, chosen, length, direction)
    env = make_env("MiniGrid-FourRooms-v0")
    env.reset(seed=0)
    level = env.unwrapped.grid.encode()[..., 0].T  # type: ignore[attr-defined]
    x, y = env.unwrapped.agent_pos  # type: ignore[attr-defined]
    mine = found.objects[0, 32 - y : 32 - y + 19, 32 - x : 32 - x + 19]
    known = mine != 0
    assert known.sum() > 40
    assert (mine[known] == level[known]).all()
    env.close()


def test_a_wall_that_comes_and_goes_is_a_contradiction() -> None:
    views, turns = np.ones((1, 3, 7, 7, 3), np.uint8), np.array([[6, 6]])  # two steps of waiting in the open
    views[0, 1, 2, 3, 0] = WALL
    found = dream_maps(views, turns, np.array([2]))
    assert found.by_step.tolist() == [[0, 1, 1]]
    assert found.so_far.tolist() == [[1, 2]]
    assert found.contradictions_per_step == 1.0
    assert found.conflicts.sum() == 1
    assert after(views, turns, 1).contradictions_per_step == 1.0


def after(views: np.ndarray, actions: np.ndarray, length: int) -> DreamMaps:
    return dream_maps(views, actions, np.array([length]))


def test_steps_after_the_end_are_not_entered() -> None:
    views = np.ones((1, 3, 7, 7, 3), np.uint8)
    views[0, 2, 2, 3, 0] = WALL
    assert after(views, np.array([[6, 6]]), 1).contradictions_per_step == 0


def test_a_dream_that_walks_off_the_map_is_followed_to_its_edge() -> None:
    views, forward = np.ones((1, 61, 7, 7, 3), np.uint8), np.full((1, 60), 2)
    found = after(views, forward, 60)
    assert found.checked.sum() == 25
    assert found.contradictions_per_step == 0
