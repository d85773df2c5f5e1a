"""Countdown: whatever reaches the target by legal arithmetic counts, nothing else does."""

from __future__ import annotations

from itertools import permutations, product

import pytest

from nextlat_rl.envs import make_env
from nextlat_rl.envs.episodes import collect_episodes
from nextlat_rl.envs.paper import CountdownEnv
from nextlat_rl.envs.paper.countdown import target_split
from nextlat_rl.envs.paper.countdown_rules import compute
from nextlat_rl.errors import UserError


def reading_done(env: CountdownEnv, numbers: tuple[int, ...], target: int) -> None:
    """Put a problem of our own in the place of the drawn one, read to its end."""
    env.reset(seed=0)
    env.numbers, env.target, env.solution = numbers, target, []
    env.read = len(env.prompt)


def say(env: CountdownEnv, text: str) -> tuple[float, bool]:
    """Write the words of `text` until the episode is over; the last reward and whether it is over."""
    names = {env.word_name(word): word for word in range(env.wait)}
    reward, over = 0.0, False
    for name in text.split():
        _, reward, over, _, _ = env.step(names[name])
        if over:
            break
    return reward, over


def brute_force(numbers: tuple[int, int, int]) -> set[int]:
    """Everything three numbers can make with one or two operations, by plain nested loops."""
    made = set()
    for a, b, c in permutations(numbers):
        for first, second in product(range(4), repeat=2):
            part = compute(a, first, b)
            if part is None:
                continue
            made.add(part)
            for left, right in ((part, c), (c, part)):
                whole = compute(left, second, right)
                if whole is not None:
                    made.add(whole)
    return made


def test_arithmetic_is_exact_and_never_negative() -> None:
    assert [compute(6, op, 3) for op in range(4)] == [9, 3, 18, 2]
    assert [compute(3, op, 6) for op in range(4)] == [9, None, 18, None]
    assert compute(3, 3, 0) is None


@pytest.mark.parametrize("numbers", [(2, 3, 7), (4, 4, 6), (1, 1, 5), (8, 2, 5)])
def test_the_targets_that_can_be_solved_are_those_that_brute_force_finds(numbers: tuple[int, int, int]) -> None:
    env = CountdownEnv(largest=10)
    reached = set()
    for target in range(env.limit + 1):
        reading_done(env, numbers, target)
        over, reward = False, 0.0
        while not over:
            _, reward, over, _, _ = env.step(env.best_action())
        if reward == 1.0:
            reached.add(target)
    assert reached == brute_force(numbers)


@pytest.mark.parametrize(
    "text",
    ["2 * 5 = 10 10 + 4 = 14", "5 * 2 = 10 4 + 10 = 14", "4 + 10 = 14"],
)
def test_every_right_sequence_is_rewarded(text: str) -> None:
    env = CountdownEnv()
    reading_done(env, (2, 4, 10) if text.startswith("4") else (2, 4, 5), 14)
    assert say(env, text) == (1.0, True)


@pytest.mark.parametrize(
    "text",
    [
        "3",  # not there
        "2 + 2",  # there only once
        "2 4",  # no operator
        "4 - 5",  # negative
        "4 / 5",  # leaves a remainder
        "2 * 5 = 11",  # wrong
        "2 * 5 = 10 5",  # used already
        "2 * 5 = 10 4 * 10 = 40",  # right, but not the target and nothing is left
        "+",
        "=",
    ],
)
def test_the_first_mistake_ends_the_episode_unrewarded(text: str) -> None:
    env = CountdownEnv()
    reading_done(env, (2, 4, 5), 14)
    words = text.split()
    if len(words) > 1:
        assert say(env, " ".join(words[:-1])) == (0.0, False)
    assert say(env, words[-1]) == (0.0, True)


def test_the_expert_goes_on_from_another_start() -> None:
    env = CountdownEnv()
    reading_done(env, (2, 4, 5), 14)
    say(env, "5 *")
    reward, over = 0.0, False
    while not over:
        _, reward, over, _, _ = env.step(env.best_action())
    assert reward == 1.0


def test_held_out_targets_never_occur_in_training() -> None:
    assert len(target_split(100)[1]) == 10 and len(target_split(20)[1]) == 2
    for suffix, held_out in (("", False), ("-HeldOut", True)):
        env = make_env(f"NextLat/Countdown-3x20{suffix}").unwrapped
        assert isinstance(env, CountdownEnv)
        seen = set()
        for seed in range(300):
            env.reset(seed=seed)
            seen.add(env.prompt[3])
        assert seen == set(target_split(20)[held_out])


def test_the_paper_s_size_is_solved_by_its_expert() -> None:
    for episode in collect_episodes("NextLat/Countdown-4x100-HeldOut", "expert", episodes=20):
        assert episode.rewards[-1] == 1.0
        assert len(episode) == 4 + 1 + 8 - 1 + 3 * 5


def test_impossible_problems_are_refused() -> None:
    with pytest.raises(UserError, match="numbers=1"):
        CountdownEnv(numbers=1)
    with pytest.raises(UserError, match=r"target 1.*lower highest"):
        CountdownEnv(numbers=2, largest=5, highest=150, limit=200)
