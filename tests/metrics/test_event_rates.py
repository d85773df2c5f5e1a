"""Events are counted in the steps that an episode has, over its time, and first times only until they come."""

from __future__ import annotations

from dataclasses import replace

import gymnasium as gym
import numpy as np

from nextlat_rl.metrics.event_rates import EventRates, event_rates
from nextlat_rl.metrics.trajectories import Trajectories
from nextlat_rl.spaces import build_codec
from tests.helpers.sequences import walks


def by_name(found: list[EventRates]) -> dict[str, EventRates]:
    return {event.name: event for event in found}


def test_ends_and_rewards_have_the_rates_that_were_put_in() -> None:
    real, imagined = (replace(walks(100, 10, seed), reward=np.zeros((100, 10), np.float32)) for seed in (0, 1))
    real.reward[:20, 4] = 1.0
    real.ended[:, 9] = True
    imagined.reward[:10, 4] = 1.0
    found = by_name(event_rates(real, imagined, {}))
    ends = found["the episode ends"]
    assert ends.edges == [0, 2, 4, 5, 7, 10]
    assert ends.real == [0, 0, 0, 0, 1 / 3]
    assert ends.imagined_rate == 0
    paid = found["the reward is not 0"]
    assert paid.real[2] == 0.2
    assert paid.imagined[2] == 0.1
    assert paid.real_rate == 0.02


def test_steps_after_the_end_do_not_count() -> None:
    short = replace(walks(50, 10, 0), length=np.full(50, 4))
    found = by_name(event_rates(walks(50, 10, 0), short, {}))["the episode ends"]
    assert found.imagined_steps == [100, 100, 0, 0, 0]
    assert found.imagined[-1] is None


def grids(goal_at: int, count: int = 40, steps: int = 10) -> Trajectories:
    """Views of empty cells, in which a goal is in sight from the observation after step `goal_at` on."""
    views = np.ones((count, steps + 1, 7, 7, 3), np.uint8)
    views[:, goal_at + 1 :, 2, 3, 0] = 8
    nothing = np.zeros((count, steps), np.float32)
    return Trajectories({"image": views}, nothing.astype(int), nothing, nothing > 0, np.full(count, steps))


def test_an_object_comes_into_view_for_the_first_time_once() -> None:
    codec = build_codec(gym.spaces.Box(0, 255, (7, 7, 3), np.uint8), 8, {}, role="observation")
    found = by_name(event_rates(grids(goal_at=6), grids(goal_at=8), {"image": codec}))
    assert found["a goal is in view"].real_rate == 0.4
    assert found["a goal is in view"].imagined_rate == 0.2
    first = found["a goal is in view for the first time"]
    assert first.real_steps == [80, 80, 40, 80, 0]  # step 6 is the last at which it can come
    assert first.real[3] == 0.5
    assert first.imagined[4] == 1 / 2
    assert "a wall is in view" not in found


def test_only_rare_values_are_events() -> None:
    codec = build_codec(gym.spaces.Discrete(3), 8, {}, role="observation")
    real = walks(100, 10, 0)
    place = (np.arange(11) % 2)[None].repeat(100, 0)
    place[:5, 3] = 2
    real = replace(real, observation={"place": place})
    assert "place is 2" in by_name(event_rates(real, real, {"place": codec}))
    assert "place is 1" not in by_name(event_rates(real, real, {"place": codec}))
