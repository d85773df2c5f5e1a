"""Planners over a trained model: they act in every action space, keyed noise, one-line errors."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch

from nextlat_rl.agents.agent import Agent
from nextlat_rl.agents.planning.config import PlannerConfig
from nextlat_rl.agents.planning.imagined import ImaginedModel
from nextlat_rl.agents.planning.planner import make_planner
from nextlat_rl.agents.planning.planners.gumbel import GumbelConfig
from nextlat_rl.agents.planning.planners.lookahead import LookaheadConfig
from nextlat_rl.agents.planning.planners.mppi import MPPIConfig
from nextlat_rl.errors import UserError
from nextlat_rl.models.config import ModelConfig
from nextlat_rl.models.nextlat import NextLat
from nextlat_rl.types import Spaces
from nextlat_rl.world_model import WorldModel

ACTIONS = {
    "discrete": gym.spaces.Discrete(4, start=2),
    "multidiscrete": gym.spaces.MultiDiscrete([3, 2]),
    "box": gym.spaces.Box(np.float32([-1, 0]), np.float32([1, 5])),
}


def world_model(action: gym.Space) -> WorldModel:
    torch.manual_seed(0)
    statistics = {
        "observation": {"observation": {}},
        "action": {},
        "reward": {"kind": "set", "values": [0.0, 1.0]},
        "value": {"kind": "twohot", "low": 0.0, "high": 1.0, "bins": 11},
    }
    spaces = Spaces(gym.spaces.Box(-1, 1, (3,)), action, statistics)
    return WorldModel(NextLat(spaces, ModelConfig(1, 2, 16, 16, 16)), "none")


SMALL = {
    "lookahead": {"depth": 3, "width": 6},
    "gumbel": {"num_simulations": 8},
    "mppi": {"horizon": 2, "num_samples": 8, "num_policy_samples": 4, "elites": 4},
    "auto": {},
}


def planner(wm: WorldModel, name: str, rollout: str = "sample", deterministic: bool = True, seed: int = 0) -> Any:
    settings: dict[str, Any] = SMALL[name] | ({} if rollout == "sample" else {"rollout": rollout})
    return make_planner(wm, name, deterministic=deterministic, seed=seed, **settings)


CASES = [
    ("discrete", "lookahead", "argmax"),
    ("discrete", "lookahead", "sample"),
    ("discrete", "gumbel", "sample"),
    ("multidiscrete", "lookahead", "sample"),
    ("multidiscrete", "gumbel", "argmax"),
    ("box", "mppi", "sample"),
    ("multidiscrete", "auto", "sample"),
    ("box", "auto", "sample"),
]


@pytest.mark.parametrize(("space", "name", "rollout"), CASES)
@pytest.mark.parametrize("greedy", [True, False])
def test_decisions_are_legal_and_do_not_depend_on_the_batch(space: str, name: str, rollout: str, greedy: bool) -> None:
    wm = world_model(ACTIONS[space])
    observations = [np.full(3, 0.1 * i, np.float32) for i in range(5)]

    def act(rows: list[int]) -> list[np.ndarray]:
        agent = Agent(wm, len(rows), "trunk", greedy, 7, planner(wm, name, rollout, greedy, 7))
        taken = []
        for t in range(3):
            chosen = agent.act([observations[i] for i in rows], [0.0] * len(rows), [t == 0] * len(rows), rows)
            assert all(ACTIONS[space].contains(a) for a in chosen)
            taken.append(np.stack([np.asarray(a) for a in chosen]))
        return taken

    together, alone = act([0, 1, 2, 3, 4]), act([3])
    for a, b in zip(together, alone, strict=True):
        np.testing.assert_allclose(a[3], b[0], rtol=1e-3)  # exact where actions are discrete


@pytest.mark.parametrize(("space", "name"), [("box", "lookahead"), ("box", "gumbel"), ("discrete", "mppi")])
def test_a_planner_for_other_actions_is_one_clear_line(space: str, name: str) -> None:
    with pytest.raises(UserError, match="planner="):
        planner(world_model(ACTIONS[space]), name)


def test_too_many_joint_actions_is_one_clear_line() -> None:
    with pytest.raises(UserError, match="too many to plan over"):
        planner(world_model(gym.spaces.MultiDiscrete([10, 10, 10])), "lookahead")


def test_joint_logits_are_the_joint_policy() -> None:
    wm = world_model(ACTIONS["multidiscrete"])
    model, belief = ImaginedModel(wm), torch.randn(4, 16)
    with torch.no_grad():
        parameters = wm.model.action.head(belief)
        log_prob = torch.stack([wm.model.action.log_prob(parameters, row.expand(4, 2)) for row in model.table], dim=1)
        torch.testing.assert_close(model.root(belief)[0].log_softmax(-1), log_prob)


def test_steps_are_the_world_models_own() -> None:
    wm = world_model(ACTIONS["discrete"])
    model, belief = ImaginedModel(wm, "argmax"), torch.randn(3, 16)
    action = torch.tensor([0, 3, 1])
    with torch.no_grad():
        out = model.step(belief, action, torch.zeros(3, 0))
    dream = wm.imagine(belief, model.table[action][:, None], rollout="argmax")
    torch.testing.assert_close(out.belief, dream.belief[:, 1])
    _, reward, go_on = wm.expected_step(belief, model.table[action], "argmax", torch.zeros(3, 0))
    torch.testing.assert_close(out.reward, reward)
    torch.testing.assert_close(out.discount, wm.discount * go_on)
    torch.testing.assert_close(out.value, dream.value[:, 1])


@pytest.mark.parametrize(("space", "name"), [("discrete", "lookahead"), ("discrete", "gumbel"), ("box", "mppi")])
def test_the_explanation_begins_with_the_decision(space: str, name: str) -> None:
    wm = world_model(ACTIONS[space])
    search = planner(wm, name)
    belief, episode, step = torch.randn(1, 16), torch.tensor([4]), torch.tensor([2])
    found = search.explain(belief, 4, 2, count=3)
    torch.testing.assert_close(found.lines[0][0], search.decide(belief, episode, step)[0])
    assert 1 <= len(found.lines) <= 3


def test_auto_is_the_lookahead_for_discrete_actions_and_mppi_for_continuous_ones_and_none_is_none() -> None:
    discrete, box = world_model(ACTIONS["discrete"]), world_model(ACTIONS["box"])
    assert planner(discrete, "auto").config == LookaheadConfig()
    assert planner(box, "auto").config == MPPIConfig()
    assert planner(discrete, "gumbel").config == GumbelConfig(num_simulations=8)
    assert make_planner(discrete, PlannerConfig("none")) is None


def test_untrained_dynamics_are_one_clear_line() -> None:
    wm = world_model(ACTIONS["discrete"])
    wm.objective = "gpt"
    with pytest.raises(UserError, match="objective=gpt leaves untrained"):
        make_planner(wm)
