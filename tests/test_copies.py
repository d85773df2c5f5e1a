"""A copy of a world model is a copy: it acts with its own weights, here and in other processes."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from stable_baselines3.common.vec_env import SubprocVecEnv

from nextlat_rl.agents.sb3.observations import StoredObservations
from nextlat_rl.envs import make_env
from nextlat_rl.world_model import WorldModel
from tests.helpers.tiny import cartpole_model


def answers(world_model: WorldModel, belief: torch.Tensor) -> list[torch.Tensor]:
    """What the model's traced functions give, called often enough to be traced."""
    action, x = torch.zeros(len(belief), dtype=torch.long), torch.randn_like(belief)
    given: list[torch.Tensor] = []
    for _ in range(5):
        draft = world_model.draft_step(belief, action)
        given = [world_model.advance(belief, x * 0), world_model.value(belief), draft[0]]
    return given


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_copy_has_weights_of_its_own(duplicate: Callable[[WorldModel], WorldModel]) -> None:
    original = WorldModel(cartpole_model(), "CartPole-v1", trust_horizon=7)
    original.model.trunk.pack()
    belief = torch.randn(2, original.belief_size)
    before = answers(original, belief)
    other = duplicate(original)
    assert (other.env_id, other.discount, other.trust_horizon) == ("CartPole-v1", 0.99, 7)
    for mine, theirs in zip(before, answers(other, belief), strict=True):
        torch.testing.assert_close(mine, theirs)
    with torch.no_grad():
        for parameter in original.model.parameters():
            parameter.add_(1.0)
    for mine, theirs in zip(before, answers(other, belief), strict=True):
        torch.testing.assert_close(mine, theirs)  # the copy stays as it was
    with torch.no_grad():
        for parameter in other.model.parameters():
            parameter.add_(2.0)
    assert not torch.equal(answers(other, belief)[0], before[0])


def stored_cartpole(world_model: WorldModel) -> Callable[[], Any]:
    return lambda: StoredObservations(make_env("CartPole-v1"), world_model)


def test_environments_with_a_world_model_run_in_other_processes() -> None:
    venv = SubprocVecEnv([stored_cartpole(WorldModel(cartpole_model(), "CartPole-v1"))], start_method="spawn")
    try:
        assert venv.reset()["observation"].shape == (1, 4)
    finally:
        venv.close()
