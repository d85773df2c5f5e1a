"""Which steps of a MiniGrid episode brought something new into view: no memory could have foreseen these."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np

from nextlat_rl import make_env


def nothing_new(env_id: str, seeds: Sequence[int], actions: Sequence[Any]) -> np.ndarray:
    """For every decision, whether the observation it was made at showed only cells seen before in its episode.

    Args:
        env_id: a MiniGrid environment whose cells change by the agent's own actions only.
        seeds: of the episodes, in the order they were played.
        actions: `[N]` of all episodes, one after the other.

    Returns:
        `[N]` bool; False for the first observation of an episode.

    Raises:
        ValueError: the actions do not end with the last episode.

    """
    env, known, queue = make_env(env_id), [], iter(actions)
    for seed in seeds:
        env.reset(seed=seed)
        seen: set[tuple[int, int]] = set()
        ended = False
        while not ended:
            view = _cells_in_view(env)
            known.append(bool(seen) and view <= seen)
            seen |= view
            action = next(queue, None)
            if action is None:
                raise ValueError(f"the actions end before the episode of seed {seed} does")
            _, _, terminated, truncated, _ = env.step(action)
            ended = terminated or truncated
    env.close()
    return np.array(known)


def _cells_in_view(env: gym.Env) -> set[tuple[int, int]]:
    """The cells of the whole grid that the agent sees now."""
    grid: Any = env.unwrapped
    _, visible = grid.gen_obs_grid()
    # The view's rows lie along the agent's direction, its columns along the one to its right; it stands at the bottom.
    (ahead_x, ahead_y), (right_x, right_y) = grid.dir_vec, grid.right_vec
    across, away = np.nonzero(visible)
    right, ahead = across - grid.agent_view_size // 2, grid.agent_view_size - 1 - away
    x = grid.agent_pos[0] + right * right_x + ahead * ahead_x
    y = grid.agent_pos[1] + right * right_y + ahead * ahead_y
    inside = (x >= 0) & (x < grid.width) & (y >= 0) & (y < grid.height)
    return set(zip(x[inside].tolist(), y[inside].tolist(), strict=True))
