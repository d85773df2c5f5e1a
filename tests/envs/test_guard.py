"""What comes out of an environment is a copy in the types of its space, and a failing one is named."""

from __future__ import annotations

import warnings
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from nextlat_rl import notices
from nextlat_rl.agents.episodes import MOST_FRAMES, run_episodes
from nextlat_rl.env_ids import env_options, join_env_id, split_env_id
from nextlat_rl.envs import guard, make_env, resolve_env_id, time_limit
from nextlat_rl.envs.episodes import collect_episodes, default_behaviour
from nextlat_rl.errors import UserError
from tests.helpers.unusual import Small, failing, raises, register


@pytest.fixture(autouse=True)
def unsaid(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test hears every notice anew."""
    monkeypatch.setattr(notices, "_SAID", {})


FAULTS = {
    "raises": ({"observe": failing(4, lambda: raises(RuntimeError("motor stuck")))}, "RuntimeError: motor stuck"),
    "looks up": ({"observe": failing(4, lambda: raises(KeyError("place")))}, "KeyError"),
    "exits": ({"observe": failing(4, lambda: raises(SystemExit(3)))}, "SystemExit: 3"),
    "wrong shape": ({"observe": failing(4, lambda: np.zeros(4, np.float32))}, "shape (4,)"),
    "NaN": ({"observe": failing(4, lambda: np.full(3, np.nan, np.float32))}, "not finite"),
    "text": ({"observe": failing(4, lambda: "abc")}, "str"),
    "no reward": ({"reward": lambda env: None if env.time == 4 else 0.0}, "reward is None"),
    "reward vector": ({"reward": lambda env: np.ones(2 if env.time == 4 else 1)}, "not one number"),
    "infinite reward": ({"reward": lambda env: float("inf") if env.time == 4 else 0.0}, "reward is inf"),
    "four results": ({"step": lambda env, action: (np.zeros(3), 0.0, False, {})}, "not enough values"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_failing_environment_is_named_with_episode_and_step(fault: str) -> None:
    parts, message = FAULTS[fault]
    name = register("Fault" + fault.title().replace(" ", ""), **parts)
    with pytest.raises(UserError) as stop:
        list(collect_episodes(name, "random", episodes=1, seed=7))
    text = str(stop.value)
    assert name in text and "seed 7" in text and message in text and "\n" not in text
    assert ("in step 1:" if fault == "four results" else "in step 4:") in text


def test_a_failing_reset_is_named() -> None:
    name = register("FaultReset", observe=failing(0, lambda: raises(OSError("no port"))))
    with pytest.raises(UserError, match=r"seed 3, at its reset: OSError: no port"):
        make_env(name).reset(seed=3)


def test_a_failing_environment_in_another_process_is_named() -> None:
    with pytest.raises(UserError, match=r"seed 0, in step 2: RuntimeError: stuck"):
        list(collect_episodes("tests.helpers.unusual_module:Stuck-v0", "random", episodes=16, workers=2))


def test_what_other_processes_say_is_said_once() -> None:
    with pytest.warns(notices.NextLatWarning, match="outside the bounds") as heard:
        list(collect_episodes("tests.helpers.unusual_module:Outside-v0", "random", episodes=16, workers=2))
    assert len(heard) == 1


class Overwrites(Small):
    """Counts in one array, in a dict and a list that it writes over and returns each time."""

    observation_space = gym.spaces.Dict(
        {"count": gym.spaces.Box(0, 100, (1,)), "pair": gym.spaces.Tuple([gym.spaces.Discrete(50)] * 2)}
    )

    def __init__(self, render_mode: str | None = None) -> None:
        super().__init__(render_mode)
        self.seen: dict[str, Any] = {"count": np.zeros(1, np.float32), "pair": [0, 0]}

    def observe(self) -> Any:
        self.seen["count"][0] = self.seen["pair"][0] = self.time
        return self.seen


class Same:
    """Always the first action; remembers nothing."""

    def act(self, observations: Any, rewards: Any, is_first: Any, episodes: Any) -> list[int]:
        return [0] * len(observations)


def test_observations_are_copies_even_of_what_is_written_over() -> None:
    name = register("Overwrites", Overwrites)
    (episode,) = collect_episodes(name, "random", episodes=1)
    assert [o["count"][0] for o in episode.observations] == list(range(11))
    assert [o["pair"][0] for o in episode.observations] == list(range(11))
    results, _ = run_episodes(name, Same(), [1], 1, trajectory_steps=20)
    assert results[0].first_observation["count"][0] == 0
    assert results[0].trajectory is not None
    assert [o["pair"][0] for o in results[0].trajectory.observations] == list(range(11))


def test_rewards_and_counts_of_one_element_are_numbers() -> None:
    space = gym.spaces.Discrete(20, start=3)
    name = register(
        "OneElement",
        observation_space=space,
        observe=lambda env: np.array([env.time + 3]),
        reward=lambda env: np.array([1.5], np.float32),
    )
    (episode,) = collect_episodes(name, "random", episodes=1)
    assert episode.rewards == [1.5] * 10
    assert all(space.contains(o) for o in episode.observations)


def test_an_episode_without_end_is_cut_with_one_notice_and_an_option(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "LONGEST", 30)
    monkeypatch.setattr("nextlat_rl.envs.factory.LONGEST", 30)
    name = register("Endless", length=10**9)
    with pytest.warns(notices.NextLatWarning, match=r"cut after 30 steps; env\.kwargs\.max_episode_steps") as heard:
        episodes = list(collect_episodes(name, "random", episodes=3))
    assert len(heard) == 1
    assert [len(e) for e in episodes] == [30] * 3 and episodes[0].truncations[-1] and not episodes[0].terminations[-1]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        limited = resolve_env_id(name, {"max_episode_steps": 7})
        assert [len(e) for e in collect_episodes(limited, "random", episodes=2)] == [7, 7]
        assert time_limit(make_env(limited)) == 7
        assert [len(e) for e in collect_episodes(register("Plain"), "random", episodes=2)] == [10, 10]


def test_arguments_of_an_environment_travel_with_its_id() -> None:
    full = resolve_env_id("FrozenLake", {"map_name": "8x8", "is_slippery": False})
    assert make_env(full).observation_space == gym.spaces.Discrete(64)
    assert resolve_env_id(full) == full and split_env_id(full)[1] == {"map_name": "8x8", "is_slippery": False}
    assert resolve_env_id(full, {"map_name": "4x4"}) == join_env_id(
        "FrozenLake-v1", split_env_id(full)[1] | {"map_name": "4x4"}
    )
    assert env_options(full) == 'env=FrozenLake-v1 env.kwargs.is_slippery=false env.kwargs.map_name="8x8"'


class Sized(Small):
    """Has an argument without a default."""

    def __init__(self, size: int, render_mode: str | None = None) -> None:
        super().__init__(render_mode)
        self.observation_space = gym.spaces.Box(-1, 1, (size,), np.float32)


def test_missing_and_unknown_arguments_name_the_option() -> None:
    name = register("Sized", Sized)
    with pytest.raises(UserError, match=r"env\.kwargs\.size=<value>"):
        make_env(name)
    with pytest.raises(UserError, match=r"does not take env\.kwargs\.colour"):
        make_env(resolve_env_id(name, {"size": 2, "colour": 1}))
    assert make_env(resolve_env_id(name, {"size": 2})).observation_space.shape == (2,)
    with pytest.raises(UserError, match="cannot be made: ValueError: odd"):
        make_env(register("Unmade", __init__=lambda self: raises(ValueError("odd"))))


@pytest.mark.parametrize("rendered", [lambda env: raises(RuntimeError("no display")), lambda env: None])
def test_an_environment_that_cannot_be_drawn_plays_on(rendered: Any) -> None:
    name = register(f"Undrawn{id(rendered)}", render=rendered)
    with pytest.warns(notices.NextLatWarning, match="the film of .* is left out") as heard:
        results, _ = run_episodes(name, Same(), [1, 2], 1, record=2)
    assert len(heard) == 1
    assert [(r.length, r.frames) for r in results] == [(10, []), (10, [])]


def test_no_more_frames_are_kept_than_are_shown() -> None:
    (result,) = run_episodes(register("Film", length=MOST_FRAMES + 50), Same(), [1], 1, record=1)[0]
    assert len(result.frames) == MOST_FRAMES and result.length == MOST_FRAMES + 50
    assert [int(frame[0, 0, 0]) for frame in result.frames[:3]] == [0, 1, 2]


def test_an_environment_that_fails_to_close_costs_nothing() -> None:
    name = register("Unclosed", close=lambda self: raises(RuntimeError("socket")))
    with pytest.warns(notices.NextLatWarning, match="failed to close: RuntimeError: socket"):
        assert len(list(collect_episodes(name, "random", episodes=2))) == 2


def test_observations_outside_their_bounds_are_said_once() -> None:
    name = register("Outside", observe=lambda env: np.full(3, 2.0, np.float32))
    with pytest.warns(notices.NextLatWarning, match="outside the bounds") as heard:
        list(collect_episodes(name, "random", episodes=2))
    assert len(heard) == 1


@pytest.mark.parametrize(
    "parts",
    [
        {"observation_space": gym.spaces.Text(5, charset="añ日")},
        {"action_space": gym.spaces.Box(-np.inf, np.inf, (2,))},
        {"action_space": gym.spaces.Box(-3e38, 3e38, (2,))},
    ],
    ids=["texts", "no bounds", "huge bounds"],
)
def test_where_sb3_cannot_train_random_gathers_and_says_so(parts: dict[str, Any]) -> None:
    name = register(f"NoSB3{len(str(parts))}", **parts)
    with pytest.warns(notices.NextLatWarning, match="gathering with behaviour 'random'"):
        assert default_behaviour(name) == "random"


def test_very_wide_bounds_can_be_read_by_sb3() -> None:
    largest = np.finfo(np.float64).max
    space = gym.spaces.Box(-largest, largest, (3,), np.float64)
    name = register("Wide", observation_space=space, observe=lambda env: np.ones(3))
    assert default_behaviour(name) == "sb3"
