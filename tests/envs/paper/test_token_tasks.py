"""The paper's tasks: proper environments whose solver is right and whose verifier agrees with brute force."""

from __future__ import annotations

from itertools import product

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from nextlat_rl.envs import make_env, resolve_env_id
from nextlat_rl.envs.episodes import collect_episodes
from nextlat_rl.envs.paper import PathStarEnv, TokenTask, WordProblemEnv
from nextlat_rl.envs.paper.groups import GROUPS, multiplication_table
from nextlat_rl.errors import UserError

ENVS = [
    "NextLat/WordProblem-S3-12-v0",
    "NextLat/WordProblem-A5-36-v0",
    "NextLat/PathStar-2x5-v0",
    "NextLat/Countdown-3x20-v0",
]


@pytest.mark.parametrize("env_id", ENVS)
def test_environment_is_a_proper_one(env_id: str) -> None:
    check_env(gym.make(resolve_env_id(env_id)).unwrapped, skip_render_check=True)


@pytest.mark.parametrize("env_id", ENVS)
def test_the_expert_solves_every_episode(env_id: str) -> None:
    for episode in collect_episodes(env_id, "expert", episodes=20):
        assert sum(episode.rewards) == pytest.approx(1.0)
        assert episode.terminations[-1]


def test_groups_are_groups() -> None:
    for name, order in zip(GROUPS, (6, 60, 120, 2, 5), strict=True):
        table = multiplication_table(name)
        assert table.shape == (order, order)
        assert (table[0] == np.arange(order)).all() and (table[:, 0] == np.arange(order)).all()
        assert all(len(set(row)) == order for row in table) and all(len(set(row)) == order for row in table.T)
        a, b, c = np.random.default_rng(0).integers(order, size=(3, 500))
        assert (table[table[a, b], c] == table[a, table[b, c]]).all()
    assert (multiplication_table("C5") == multiplication_table("C5").T).all()
    assert not (multiplication_table("S3") == multiplication_table("S3").T).all()


def test_only_the_product_is_right() -> None:
    env = WordProblemEnv("S3", longest=4)
    for seed in range(30):
        rewarded = []
        for answer in range(6):
            env.reset(seed=seed)
            while env.read < len(env.prompt):
                env.step(env.wait)
            if env.step(answer)[1] == 1.0:
                rewarded.append(answer)
        word = env.prompt[:-1]
        table, expected = multiplication_table("S3"), 0
        for element in word:
            expected = table[expected, element]
        assert rewarded == [expected]


def test_problems_follow_each_other_until_the_first_mistake() -> None:
    env = WordProblemEnv("C2", longest=3, problems=4)
    env.reset(seed=0)
    total, over, prompts = 0.0, False, []
    while not over:
        if env.read == 1:
            prompts.append(tuple(env.prompt))
        _, reward, over, _, info = env.step(env.best_action())
        total += reward
    assert total == pytest.approx(1.0) and info["success"] and len(prompts) == 4
    env.reset(seed=0)
    while env.solved < 2:
        env.step(env.best_action())
    while env.read < len(env.prompt):
        env.step(env.wait)
    assert env.step(1 - env.best_action())[1:3] == (0.0, True)


def test_a_running_product_goes_on_through_an_episode_and_starts_anew_with_the_next() -> None:
    env = WordProblemEnv("S3", longest=3, problems=5, asked=0.5)
    table = multiplication_table("S3")
    for seed in range(5):
        env.reset(seed=seed)
        product, over = 0, False
        while not over:
            if env.read < len(env.prompt):
                env.step(env.wait)
                continue
            for element in env.prompt[:-1]:
                product = int(table[product, element])
            assert env.best_action() == product
            over = env.step(product)[2]
        assert env.solved == 5


def test_a_running_product_is_asked_for_as_often_as_said() -> None:
    env = WordProblemEnv("S3", longest=3, problems=400, asked=0.7)
    env.reset(seed=0)
    lengths = [len(env.prompt) - 1 for _ in range(400) if env._next_problem() is not None]
    shares = np.bincount(lengths, minlength=4)[1:] / 400
    np.testing.assert_allclose(shares, [0.7, 0.21, 0.09], atol=0.06)


def test_writing_too_early_or_waiting_too_long_ends_the_episode() -> None:
    env = WordProblemEnv("S3", longest=5, shortest=5)
    env.reset(seed=0)
    assert env.step(0)[1:3] == (0.0, True)
    env.reset(seed=0)
    for _ in range(5):
        assert env.step(env.wait)[2] is False
    assert env.step(env.wait)[1:3] == (0.0, True)


def test_the_only_path_to_the_goal_is_rewarded() -> None:
    env = PathStarEnv(degree=3, arm=3, nodes=8)
    for seed in range(10):
        env.reset(seed=seed)
        edges = list(zip(env.prompt[:-2:2], env.prompt[1:-2:2], strict=True))
        centre, goal = env.prompt[-2:]
        walks = [(a, b) for a, b in product(range(8), repeat=2) if (centre, a) in edges and (a, b) in edges]
        assert len(walks) == 3
        solutions = []
        for walk in walks:
            env.reset(seed=seed)
            while env.read < len(env.prompt):
                env.step(env.wait)
            reward = 0.0
            for node in walk:
                reward, over = env.step(node)[1:3]
                if over:
                    break
            if reward == 1.0:
                solutions.append(walk)
        assert solutions == [walk for walk in walks if walk[-1] == goal]


def test_a_fixed_number_of_graphs_repeats() -> None:
    env = PathStarEnv(degree=2, arm=3, nodes=50, graphs=4)
    prompts = set()
    for seed in range(60):
        env.reset(seed=seed)
        prompts.add(tuple(env.prompt))
    assert len(prompts) == 4


def test_an_impossible_star_is_refused() -> None:
    with pytest.raises(UserError, match="at least 21 names"):
        PathStarEnv(degree=5, arm=5, nodes=20)


def test_impossible_words_are_refused() -> None:
    with pytest.raises(UserError, match="shortest"):
        WordProblemEnv("S3", longest=2, shortest=3)
    with pytest.raises(UserError, match="unknown group 'S9'"):
        WordProblemEnv("S9")
    with pytest.raises(UserError, match="problems=0"):
        WordProblemEnv("S3", problems=0)
    with pytest.raises(UserError, match="asked=2"):
        WordProblemEnv("S3", asked=2)


@pytest.mark.parametrize("env_id", ENVS)
def test_drawings_change_with_what_is_written(env_id: str) -> None:
    env = gym.make(env_id, render_mode="rgb_array", disable_env_checker=True).unwrapped
    assert isinstance(env, TokenTask)
    env.reset(seed=0)
    while env.read < len(env.prompt):
        env.step(env.wait)
    before = env.render()
    env.written.append(env.best_action())
    after = env.render()
    assert isinstance(before, np.ndarray) and isinstance(after, np.ndarray)
    assert before.dtype == np.uint8 and before.shape == after.shape and before.shape[2] == 3
    assert (before != after).any()


def test_sizes_can_be_given_to_gymnasium() -> None:
    for name, arguments in (
        ("WordProblem", {"group": "A5"}),
        ("PathStar", {"degree": 3, "arm": 4}),
        ("Countdown", {"numbers": 4, "largest": 50}),
        ("StreetMap", {"rows": 4, "columns": 7}),
    ):
        env = make_env(f"NextLat/{name}", **arguments).unwrapped
        assert isinstance(env, TokenTask)
        for key, value in arguments.items():
            assert env.spec is not None and env.spec.kwargs[key] == value


def test_unknown_task_names_close_ones() -> None:
    with pytest.raises(UserError, match="WordProblem-S3"):
        make_env("NextLat/WordProblem-S33-12")
