"""What is new in a MiniGrid view, checked against MiniGrid's own geometry."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmarks.suites.speculation.seen_cells import _cells_in_view, nothing_new
from nextlat_rl.envs import make_env

LEFT, FORWARD = 0, 2


def test_cells_in_view_are_minigrids_own() -> None:
    env = make_env("MiniGrid-FourRooms-v0")
    grid: Any = env.unwrapped
    rng = np.random.default_rng(0)
    for seed in range(5):
        env.reset(seed=seed)
        for _ in range(30):
            view, visible = grid.gen_obs_grid()
            cells = _cells_in_view(env)
            for x in range(grid.width):
                for y in range(grid.height):
                    inside = grid.in_view(x, y)
                    assert ((x, y) in cells) == (inside and bool(visible[grid.relative_coords(x, y)]))
                    if (x, y) in cells and (x, y) != tuple(grid.agent_pos):
                        assert view.get(*grid.relative_coords(x, y)) == grid.grid.get(x, y)
            env.step(int(rng.integers(3)))
    env.close()


def test_turning_round_once_shows_everything_and_a_second_time_nothing_new() -> None:
    actions = [LEFT] * 100  # until the time limit
    known = nothing_new("MiniGrid-FourRooms-v0", [3, 3], [*actions, *actions])
    assert known.reshape(2, 100)[:, 0].tolist() == [False, False]  # every episode starts afresh
    assert known.reshape(2, 100)[:, 4:].all()


def test_actions_that_end_too_early_are_refused() -> None:
    with pytest.raises(ValueError, match="before the episode of seed 3"):
        nothing_new("MiniGrid-FourRooms-v0", [3], [LEFT] * 5)
