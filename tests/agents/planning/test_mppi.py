"""MPPI finds known optima, stays inside the bounds, and costs what it says."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from nextlat_rl.agents.planning.planners.mppi import MPPIConfig, mppi

DEFAULT = MPPIConfig()


class Track:
    """A point on a line, moved by half the action; being away from the origin costs its square. The policy is random.

    One dimension of the action does nothing.
    """

    size, policy_num_uniforms = 2, 2

    def __init__(self) -> None:
        self.evaluated = 0

    def policy(self, belief: Tensor, noise: Tensor) -> Tensor:
        return 2 * noise - 1

    def step(self, belief: Tensor, action: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        assert (action.abs() <= 1).all()
        self.evaluated += len(action)
        after = belief + 0.5 * action[:, :1]
        return after, -after[:, 0].square(), torch.full_like(after[:, 0], 0.99)

    def value(self, belief: Tensor) -> Tensor:
        return -belief[:, 0].square()


def decide(belief: Tensor, config: MPPIConfig = DEFAULT, seed: int = 0) -> Tensor:
    world = Track()
    noise = torch.rand(len(belief), sum(config.num_uniforms(world)), generator=torch.Generator().manual_seed(seed))
    return mppi(world, belief, noise, config).action


@pytest.mark.parametrize(("start", "best"), [(0.0, 0.0), (0.3, -0.6), (-0.2, 0.4), (3.0, -1.0), (-3.0, 1.0)])
def test_moves_to_the_origin(start: float, best: float) -> None:
    config = MPPIConfig(horizon=3, num_samples=128, iterations=5)
    assert decide(torch.tensor([[start]]), config)[0, 0] == pytest.approx(best, abs=0.2)


def test_evaluations_are_as_stated_and_a_tenth_of_tdmpc2() -> None:
    world, config = Track(), MPPIConfig()
    mppi(world, torch.zeros(2, 1), torch.rand(2, sum(config.num_uniforms(world))), config)
    assert world.evaluated == 2 * config.evaluations
    assert config.evaluations <= 9216 / 10


def test_rows_are_decided_on_their_own() -> None:
    belief = torch.tensor([[0.5], [-1.0], [2.0]])
    world, config = Track(), MPPIConfig()
    noise = torch.rand(3, sum(config.num_uniforms(world)))
    together = mppi(world, belief, noise, config).action
    for i in range(3):
        torch.testing.assert_close(mppi(world, belief[i : i + 1], noise[i : i + 1], config).action[0], together[i])


def test_same_noise_same_decision() -> None:
    belief = torch.tensor([[0.7]])
    assert torch.equal(decide(belief, seed=3), decide(belief, seed=3))
    assert not torch.equal(decide(belief, seed=3), decide(belief, seed=4))
