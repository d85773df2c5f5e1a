"""An agent's beliefs are the trunk's, its decisions do not depend on the batch, and it runs in real environments."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nextlat_rl.agents.agent import Agent, Decision
from nextlat_rl.agents.episodes import evaluation_seeds, run_episodes
from nextlat_rl.memory import Acting
from nextlat_rl.objectives.forward import forward
from nextlat_rl.types import Step
from nextlat_rl.world_model import WorldModel
from tests.helpers.tiny import cartpole_model, make_batch, tiny_model


def beliefs(acting: Acting) -> tuple[torch.Tensor, WorldModel]:
    """Beliefs of the two episodes of 6 steps of one window, observed one step at a time."""
    batch = make_batch([[6, 6]])
    world_model = WorldModel(tiny_model(), "none")
    memory = world_model.memory(1, acting)
    seen = []
    for t in range(12):
        step = Step(
            {name: leaf[:, t] for name, leaf in batch.observation.items()},
            batch.previous_action[:, t],
            batch.previous_reward[:, t],
            batch.is_first[:, t],
        )
        seen.append(world_model.observe(step, memory))
    return torch.stack(seen, 1), world_model


@torch.no_grad()
def test_trunk_beliefs_equal_the_packed_training_pass() -> None:
    seen, world_model = beliefs("trunk")
    torch.testing.assert_close(seen, forward(world_model.model, make_batch([[6, 6]])).belief, atol=1e-5, rtol=0)


@torch.no_grad()
def test_recurrent_beliefs_follow_the_latent_dynamics() -> None:
    seen, world_model = beliefs("recurrent")
    out = forward(world_model.model, make_batch([[6, 6]]))
    for start in (0, 6):
        belief = out.belief[:, start]
        torch.testing.assert_close(seen[:, start], belief, atol=1e-5, rtol=0)
        for t in range(start + 1, start + 6):
            belief = world_model.model.dynamics(belief, out.step_embedding[:, t])
            torch.testing.assert_close(seen[:, t], belief, atol=1e-5, rtol=0)


@pytest.fixture(scope="module")
def cartpole() -> WorldModel:
    return WorldModel(cartpole_model(), "CartPole-v1")


@pytest.mark.parametrize("acting", ["trunk", "recurrent"])
def test_episodes_do_not_depend_on_how_many_run_side_by_side(cartpole: WorldModel, acting: Acting) -> None:
    seeds = evaluation_seeds(7)
    runs = []
    for n_envs in (1, 3, 9):
        results, _ = run_episodes("CartPole-v1", Agent(cartpole, n_envs, acting), seeds, n_envs)
        runs.append([(r.seed, r.length, r.episode_return) for r in results])
    assert runs[0] == runs[1] == runs[2]
    assert [seed for seed, _, _ in runs[0]] == seeds
    assert len({length for _, length, _ in runs[0]}) > 1


def test_every_decision_is_reported(cartpole: WorldModel) -> None:
    agent, seen = Agent(cartpole, 2), list[Decision]()
    agent.on_decision = seen.append
    results, timing = run_episodes("CartPole-v1", agent, evaluation_seeds(2), 2)
    assert len(seen) == timing.calls == max(result.length for result in results)
    assert seen[0].is_first == [True, True] and not any(decision.ahead.any() for decision in seen)
    assert all(len(decision.actions) == 2 for decision in seen)


def test_deterministic_acting_ignores_the_noise_seed(cartpole: WorldModel) -> None:
    lengths = []
    for seed in (0, 1):
        for deterministic in (True, False):
            agent = Agent(cartpole, 4, deterministic=deterministic, seed=seed)
            results, _ = run_episodes("CartPole-v1", agent, evaluation_seeds(4), 4)
            lengths.append([r.length for r in results])
    assert lengths[0] == lengths[2]
    assert lengths[1] != lengths[3]


def test_evaluation_seeds_are_fixed_and_apart_from_the_data() -> None:
    from nextlat_rl.seeds import EVALUATION_SEED

    assert evaluation_seeds(3) == [10_000_000, 10_000_001, 10_000_002]
    assert evaluation_seeds(1) == [EVALUATION_SEED]


def test_recorded_episode_has_a_frame_per_observation(cartpole: WorldModel) -> None:
    results, _ = run_episodes("MiniGrid-Empty-5x5-v0", _empty_room(), evaluation_seeds(2), 2, record=1)
    assert len(results[0].frames) == results[0].length + 1
    assert results[0].frames[0].dtype == np.uint8 and results[0].frames[0].shape[-1] == 3
    assert results[1].frames == []
    assert results[0].success == (results[0].episode_return > 0)


def _empty_room() -> Agent:
    from nextlat_rl.envs import make_env
    from nextlat_rl.models.config import ModelConfig
    from nextlat_rl.models.nextlat import NextLat
    from nextlat_rl.spaces import leaves
    from nextlat_rl.types import Spaces

    env = make_env("MiniGrid-Empty-5x5-v0")
    statistics = {
        "observation": {name: {} for name in leaves(env.observation_space)},
        "action": {},
        "reward": {"kind": "set", "values": [0.0, 1.0]},
        "value": {"kind": "twohot", "low": 0.0, "high": 1.0, "bins": 9},
    }
    spaces = Spaces(env.observation_space, env.action_space, statistics)
    return Agent(WorldModel(NextLat(spaces, ModelConfig(1, 2, 16, 16, 16)), "none"), 2)
