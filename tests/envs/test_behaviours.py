from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from nextlat_rl.envs import make_env
from nextlat_rl.envs.behaviour import Behaviour
from nextlat_rl.envs.behaviours.bot import BotBehaviour
from nextlat_rl.envs.behaviours.explorer import ExplorerBehaviour
from nextlat_rl.envs.behaviours.random import RandomBehaviour
from nextlat_rl.envs.experts.grid import GridExpert
from nextlat_rl.envs.minigrid.constants import LEFT
from nextlat_rl.envs.minigrid.poses import Reach, facing
from nextlat_rl.envs.minigrid.visibility import FULL, HALF, START, VIEW, row_tables, windows
from nextlat_rl.errors import UserError


def play(env: gym.Env, behaviour: Behaviour, seed: int) -> tuple[float, list[Any], list[Any]]:
    observation, _ = env.reset(seed=seed)
    behaviour.reset(env, seed)
    observations, actions, total, over = [observation], [], 0.0, False
    while not over:
        actions.append(behaviour.act(observation))
        observation, reward, terminated, truncated, _ = env.step(actions[-1])
        observations.append(observation)
        total, over = total + float(reward), terminated or truncated
    return total, observations, actions


def returns(env_id: str, behaviour: Behaviour, seeds: range) -> np.ndarray:
    env = make_env(env_id)
    return np.array([play(env, behaviour, seed)[0] for seed in seeds])


def test_explorer_always_succeeds_in_four_rooms() -> None:
    result = returns("MiniGrid-FourRooms", ExplorerBehaviour(), range(40))
    assert (result > 0).all()
    assert result.mean() >= 0.7


@pytest.mark.parametrize(
    ("env_id", "least"),
    [
        ("MiniGrid-DoorKey-5x5", 0.95),
        ("MiniGrid-DoorKey-8x8", 0.95),
        ("MiniGrid-MultiRoom-N2-S4", 0.7),
        ("MiniGrid-SimpleCrossingS9N1", 0.9),
        ("MiniGrid-LavaCrossingS9N2", 0.9),
        ("MiniGrid-Empty-8x8", 0.9),
    ],
)
def test_explorer_solves_level(env_id: str, least: float) -> None:
    assert returns(env_id, ExplorerBehaviour(), range(10)).min() > 0
    assert returns(env_id, ExplorerBehaviour(), range(10)).mean() >= least


@pytest.mark.parametrize("env_id", ["MiniGrid-FourRooms", "MiniGrid-DoorKey-6x6"])
def test_explorer_uses_observations_only(env_id: str) -> None:
    _, observations, actions = play(make_env(env_id), ExplorerBehaviour(), 3)
    alone = ExplorerBehaviour()
    alone.reset(object(), 99)  # type: ignore[arg-type]  # no environment, another seed
    seen = [{"image": o["image"], "direction": o["direction"]} for o in observations]
    assert [alone.act(observation) for observation in seen[:-1]] == actions


def test_explorer_follows_actions_that_were_not_its_own() -> None:
    env, explorer = make_env("MiniGrid-FourRooms"), ExplorerBehaviour()
    observation, _ = env.reset(seed=1)
    explorer.reset(env, 1)
    rng, over, reward = np.random.default_rng(0), False, 0.0
    while not over:
        action = explorer.act(observation)
        if rng.random() < 0.2:
            action = int(rng.integers(3))
            explorer.replace_last(action)
        observation, step_reward, terminated, truncated, _ = env.step(action)
        reward, over = float(step_reward), terminated or truncated
    assert reward > 0


def test_explorer_refuses_other_observations() -> None:
    explorer = ExplorerBehaviour()
    explorer.reset()
    with pytest.raises(UserError, match="MiniGrid"):
        explorer.act(np.zeros(4))


def test_expert_takes_shortest_paths() -> None:
    result = returns("MiniGrid-FourRooms", GridExpert(), range(40))
    assert result.mean() >= 0.8


@pytest.mark.parametrize(
    "env_id", ["MiniGrid-DoorKey-8x8", "MiniGrid-MultiRoom-N4-S5", "MiniGrid-LavaGapS7", "MiniGrid-LavaCrossingS9N2"]
)
def test_expert_is_at_least_as_good_as_the_explorer(env_id: str) -> None:
    expert = returns(env_id, GridExpert(), range(8))
    assert (expert >= returns(env_id, ExplorerBehaviour(), range(8)) - 1e-9).all()
    assert expert.min() > 0


@pytest.mark.parametrize("env_id", ["MiniGrid-Fetch-5x5-N2", "CartPole-v1"])
def test_expert_refuses_what_it_cannot_solve(env_id: str) -> None:
    env = make_env(env_id)
    env.reset(seed=0)
    with pytest.raises(UserError, match="expert"):
        GridExpert().reset(env, 0)


def test_bot_solves_babyai() -> None:
    assert returns("BabyAI-GoToRedBallNoDists", BotBehaviour(), range(20)).mean() >= 0.9


def test_bot_that_gives_up_plays_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def give_up(self: Any, action: Any = None) -> None:
        raise AssertionError

    monkeypatch.setattr("minigrid.utils.baby_ai_bot.BabyAIBot.replan", give_up)
    _, _, actions = play(make_env("BabyAI-GoToRedBallNoDists"), BotBehaviour(), 0)
    assert len(actions) > 0


def test_random_behaviour_is_uniform_over_useful_actions() -> None:
    env, behaviour = make_env("MiniGrid-FourRooms"), RandomBehaviour()
    env.reset(seed=0)
    behaviour.reset(env, 0)
    counts = np.bincount([behaviour.act(None) for _ in range(3000)], minlength=7)
    assert counts[3:].sum() == 0 and (abs(counts[:3] - 1000) < 130).all()
    env = make_env("MiniGrid-DoorKey-5x5")
    env.reset(seed=0)
    behaviour.reset(env, 0)
    assert {behaviour.act(None) for _ in range(300)} == set(range(6))


def test_random_behaviour_depends_on_the_seed_only() -> None:
    env, behaviour = make_env("Pendulum-v1"), RandomBehaviour()
    drawn = []
    for seed in (5, 6, 5):
        behaviour.reset(env, seed)
        drawn.append([behaviour.act(None).item() for _ in range(5)])
    assert drawn[0] == drawn[2] != drawn[1]


def test_sight_tables_match_minigrids_occlusion() -> None:
    from minigrid.core.grid import Grid
    from minigrid.core.world_object import Wall

    seen, following = row_tables()
    rng = np.random.default_rng(0)
    for _ in range(50):
        opaque = rng.random((VIEW, VIEW)) < 0.3  # [column, row], row 6 is the agent's
        opaque[HALF, VIEW - 1] = False
        grid = Grid(VIEW, VIEW)
        for column, row in np.argwhere(opaque):
            grid.set(column, row, Wall())
        mask = grid.process_vis((HALF, VIEW - 1))
        lit = START << VIEW
        for row in reversed(range(VIEW)):
            look_up = lit | sum(int(opaque[column, row]) << column for column in range(VIEW))
            assert [bool(seen[look_up] >> column & 1) for column in range(VIEW)] == list(mask[:, row])
            lit = int(following[look_up])


def test_windows_pack_runs_of_seven() -> None:
    cells = np.random.default_rng(0).integers(0, 2, 200)
    for stride in (1, 16):
        packed = windows(cells, stride)
        for i in range(len(packed)):
            assert packed[i] & FULL == sum(int(cells[i + b * stride]) << b for b in range(VIEW))


def test_shortest_path_prefers_forward_then_left() -> None:
    width, free = 16, sum(1 << (x + 16 * y) for x in range(4, 12) for y in range(4, 12))
    reach = Reach(cell=8 + 16 * 8, direction=0, free=free, width=width)
    behind = 1 << (6 + 16 * 8)
    assert reach.nearest((behind,) * 4) == [LEFT, LEFT, 2, 2]
    assert reach.nearest(facing(1 << (10 + 16 * 8), width)) == [2]
    assert reach.nearest((1, 1, 1, 1)) is None
