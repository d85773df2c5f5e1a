"""Imagined episodes are cut where the belief leaves the data, as by a time limit: on a world of known distances."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from stable_baselines3 import DQN
from torch import Tensor, nn

from nextlat_rl import ImaginedVecEnv, uncertainty_limit
from nextlat_rl.agents.sb3.uncertainty import BeliefDistance
from nextlat_rl.errors import UserError
from nextlat_rl.tracing import Traced

CORNERS = torch.tensor([[2.0, 1.0], [2.0, -1.0], [-2.0, 1.0], [-2.0, -1.0]])  # variances 4 and 1


class Walk:
    """A world model of two numbers: every step adds 1 to the first, and action 1 ends the episode from 4 on."""

    device = torch.device("cpu")
    action_space = gym.spaces.Discrete(2)
    belief_size = 2
    transition_num_uniforms = 1

    def traced(self, function: Callable[..., Any]) -> Traced:
        return Traced(nn.Module(), function)

    def check_dynamics(self, user: str, remedy: str) -> None:
        return None

    def encode_actions(self, actions: Any) -> Tensor:
        return torch.as_tensor(np.asarray(actions))

    def imagine_step(self, belief: Tensor, action: Tensor, rollout: str, noise: Tensor) -> tuple[Tensor, ...]:
        belief = belief + torch.tensor([1.0, 0.0])
        ends = (belief[:, 0] >= 4) & (action == 1)
        return belief, torch.ones(len(belief)), (~ends).float(), noise


def walk(**options: Any) -> ImaginedVecEnv:
    return ImaginedVecEnv(Walk(), 6, CORNERS, **options)  # type: ignore[arg-type]


def test_the_distance_is_mahalanobis_in_units_of_the_datas_own() -> None:
    distance = BeliefDistance(CORNERS)
    torch.testing.assert_close(distance(CORNERS), torch.ones(4))
    points = torch.tensor([[0.0, 0.0], [6.0, 0.0], [0.0, 3.0], [4.0, 2.0]])
    expected = (points[:, 0] ** 2 / 4 + points[:, 1] ** 2).div(2).sqrt()
    torch.testing.assert_close(distance(points), expected, rtol=0.01, atol=0)
    torch.manual_seed(0)
    stretched = torch.randn(5000, 3) @ torch.tensor([[5.0, 0.0, 0.0], [1.0, 0.1, 0.0], [0.0, 2.0, 1.0]]) + 7
    assert BeliefDistance(stretched)(stretched).square().mean() == pytest.approx(1, abs=1e-4)


def test_the_limit_is_a_quantile_of_the_data() -> None:
    torch.manual_seed(0)
    data = torch.randn(20_000, 2)
    # A Rayleigh variable has this 99% quantile, in units of its root mean square.
    assert uncertainty_limit(data, 0.99) == pytest.approx(np.sqrt(-np.log(0.01)), rel=0.03)
    assert uncertainty_limit(CORNERS) == pytest.approx(1)


def test_an_episode_is_cut_at_the_first_belief_beyond_the_limit() -> None:
    venv = walk(horizon=50, max_uncertainty=2.0)  # (x^2 / 4 + 1) / 2 = 4 at x = 5.29
    first = venv.reset()
    cuts = 0
    for _ in range(20):
        seen, _, dones, infos = venv.step(np.zeros(6, int))
        for i in range(6):
            assert dones[i] == (first[i, 0] + 1 > 5.29)
            if dones[i]:
                cuts += 1
                assert infos[i]["TimeLimit.truncated"]
                np.testing.assert_allclose(infos[i]["terminal_observation"], first[i] + [1, 0])
                assert (np.abs(CORNERS.numpy() - seen[i]).max(1) == 0).any()
        first = seen
    assert cuts > 6


def test_an_end_beyond_the_limit_is_an_end_and_the_horizon_still_counts() -> None:
    venv = walk(horizon=50, max_uncertainty=1.6)  # at x = 4.06
    venv.reset()
    infos = [info for _ in range(10) for info in venv.step(np.ones(6, int))[3] if info]
    assert infos and not any(info["TimeLimit.truncated"] for info in infos)
    short = walk(horizon=1, max_uncertainty=100.0)
    short.reset()
    assert short.step(np.zeros(6, int))[2].all()


def test_value_targets_are_bootstrapped_at_a_cut() -> None:
    agent = DQN("MlpPolicy", walk(horizon=50, max_uncertainty=2.0), learning_starts=1000, buffer_size=600, device="cpu")
    agent.learn(300)
    buffer = agent.replay_buffer
    assert buffer is not None
    done, cut = buffer.dones[:50] > 0, buffer.timeouts[:50] > 0
    beyond = buffer.next_observations[:50, :, 0] > 5.29
    np.testing.assert_array_equal(cut, beyond & (buffer.actions[:50, :, 0] == 0))
    assert cut.any() and (done & ~cut).any()
    assert done[cut].all()


def test_bad_limits_and_starts_get_one_clear_line() -> None:
    with pytest.raises(UserError, match="max_uncertainty=0"):
        walk(horizon=5, max_uncertainty=0.0)
    with pytest.raises(UserError, match="anywhere=True"):
        ImaginedVecEnv(Walk(), 2, CORNERS[:2], horizon=5, max_uncertainty=2.0)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="anywhere=True"):
        BeliefDistance(torch.ones(9, 2))
    with pytest.raises(UserError, match="share=0"):
        uncertainty_limit(CORNERS, 0)
