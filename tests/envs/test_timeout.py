"""An environment that does not answer ends in one line that says so, wherever it is played."""

from __future__ import annotations

import copy
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nextlat_rl import notices
from nextlat_rl.agents.episodes import run_episodes
from nextlat_rl.envs import guard, make_env, set_timeout, timeout
from nextlat_rl.envs.episodes import collect_episodes
from nextlat_rl.errors import UserError
from tests.helpers.unusual import Small, failing, register
from tests.helpers.unusual_module import deadlock


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A limit of 0.3 seconds."""
    monkeypatch.setattr(notices, "_SAID", {})
    monkeypatch.setattr(timeout, "_TICK", 0.05)
    monkeypatch.setattr(timeout, "_GRACE", 0.3)
    monkeypatch.setattr(guard, "_never_closed", set())
    before = timeout.timeout()
    set_timeout(0.3)
    yield
    set_timeout(before)


def loop() -> None:
    while True:
        with_nothing: list[int] = []
        with_nothing.clear()


HANGS: dict[str, Callable[[], Any]] = {"sleep": lambda: time.sleep(600), "loop": loop}


@pytest.mark.parametrize("how", HANGS)
@pytest.mark.parametrize(("step", "place"), [(0, "at its reset"), (4, "in step 4")])
def test_an_environment_that_hangs_is_named_with_episode_step_and_remedy(how: str, step: int, place: str) -> None:
    name = register(f"Hangs{how}{step}", observe=failing(step, HANGS[how]))
    started = time.monotonic()
    with pytest.raises(UserError) as stop:
        list(collect_episodes(name, "random", episodes=1, seed=7))
    assert time.monotonic() - started < 10
    text = str(stop.value)
    assert "\n" not in text and name in text and "the episode with seed 7" in text and place in text
    assert "no answer within 0.3 seconds" in text and "env.timeout=<seconds>" in text


def test_an_environment_that_hangs_is_named_in_evaluation_and_where_it_is_made_or_drawn() -> None:
    class Same:
        def act(self, observations: Any, rewards: Any, is_first: Any, episodes: Any) -> list[int]:
            return [0] * len(observations)

    with pytest.raises(UserError, match=r"seed 5, in step 2: no answer"):
        run_episodes(register("HangsPlayed", observe=failing(2, HANGS["sleep"])), Same(), [5], 1)
    with pytest.raises(UserError, match=r"while it is made: no answer"):
        make_env(register("HangsMade", __init__=lambda self: time.sleep(600)))
    name = register("HangsDrawn", render=lambda self: time.sleep(600))
    with pytest.warns(notices.NextLatWarning, match=r"the film of .* is left out: .*no answer within"):
        assert [r.length for r in run_episodes(name, Same(), [1, 2], 1, record=2)[0]] == [10, 10]


def test_an_environment_that_hangs_in_another_process_is_named() -> None:
    for name in ("Sleeps", "Deadlocks"):
        with pytest.raises(UserError, match=r"seed 0, in step 2: no answer within 0.3 seconds"):
            list(collect_episodes(f"tests.helpers.unusual_module:{name}-v0", "random", episodes=16, workers=2))


def test_an_environment_that_does_not_close_costs_one_warning_and_one_wait() -> None:
    name = register("HangsClosed", close=lambda self: time.sleep(600))
    started = time.monotonic()
    with pytest.warns(notices.NextLatWarning, match="does not close within 0.3 seconds") as heard:
        for _ in range(20):
            assert len(list(collect_episodes(name, "random", episodes=2))) == 2
    assert len(heard) == 1 and time.monotonic() - started < 10


def test_slow_steps_within_the_limit_and_any_without_one_are_waited_for() -> None:
    name = register("Slow", observe=failing(3, lambda: time.sleep(0.2) or [0.0] * 3))
    assert len(list(collect_episodes(name, "random", episodes=4))) == 4
    set_timeout(0)
    name = register("Slower", observe=failing(3, lambda: time.sleep(0.8) or [0.0] * 3))
    assert len(list(collect_episodes(name, "random", episodes=1))) == 1


def test_a_process_that_was_stopped_or_slept_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([1000.0 * i for i in range(10_000)])
    monkeypatch.setattr(timeout, "_TICK", 0.01)
    monkeypatch.setattr(timeout.time, "monotonic", lambda: next(times))
    name = register("Awake", observe=failing(3, lambda: time.sleep(0.1) or [0.0] * 3))
    assert len(list(collect_episodes(name, "random", episodes=1))) == 1


@pytest.mark.parametrize("hang", [deadlock, HANGS["sleep"]])
def test_what_cannot_be_interrupted_is_said(hang: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(timeout, "_give_up", said.append)
    env = make_env(register(f"Deaf{id(hang)}", observe=failing(0, hang)))
    thread = threading.Thread(target=env.reset, daemon=True)
    thread.start()
    started = time.monotonic()
    while not said and time.monotonic() - started < 30:
        thread.join(0.1)
    assert thread.is_alive() and len(said) == 1 and "at its reset: no answer within" in said[0]


def test_a_command_ends_even_where_code_in_c_does_not() -> None:
    script = (
        "from nextlat_rl.cli.app import _end\n"
        "from nextlat_rl.envs import make_env, set_timeout, timeout\n"
        "set_timeout(0.5)\n"
        "timeout._GRACE = 0.5\n"
        "env = make_env('tests.helpers.unusual_module:Deadlocks-v0')\n"
        "with timeout.on_hang(_end): env.reset(seed=3), env.step(0), env.step(0)\n"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith(
        "error: environment 'tests.helpers.unusual_module:Deadlocks-v0', the episode with seed 3"
    )
    assert "in step 2: no answer" in done.stderr and done.stderr.count("\n") == 1


def test_a_copied_environment_has_a_limit_of_its_own() -> None:
    env = make_env(register("HangsCopied", observe=failing(2, HANGS["sleep"])))
    env.reset(seed=1)
    twin = copy.deepcopy(env)
    twin.step(0)
    with pytest.raises(UserError, match="seed 1, in step 2: no answer"):
        twin.step(0)


def test_what_was_gathered_before_it_is_said_not_to_be_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from nextlat_rl import collect_dataset, list_datasets

    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    monkeypatch.setenv("NEXTLAT_CACHE", str(tmp_path / "cache"))

    class Later(Small):
        """Hangs in its third episode with this seed or a later one."""

        def observe(self) -> Any:
            return time.sleep(600) if self.np_random_seed == 2 and self.time == 1 else super().observe()

    with pytest.raises(UserError, match=r"seed 2, in step 1: no answer .*the 2 episodes gathered so far are not kept"):
        collect_dataset(register("HangsLater", Later), "random", episodes=5, quiet=True)
    assert list_datasets() == [] and not list((tmp_path / "minari").glob("unfinished*"))
