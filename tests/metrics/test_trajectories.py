"""Real and imagined episodes have one form: what was recorded, and what `imagine` says."""

from __future__ import annotations

import numpy as np
import pytest

from nextlat_rl.agents.agent import Agent
from nextlat_rl.agents.episodes import run_episodes
from nextlat_rl.metrics.trajectories import dreams, stored_episodes
from nextlat_rl.world_model import WorldModel
from tests.helpers.tiny import cartpole_model


@pytest.fixture(scope="module")
def cartpole() -> WorldModel:
    return WorldModel(cartpole_model(), "CartPole-v1")


def test_recorded_episodes_hold_what_was_played(cartpole: WorldModel) -> None:
    seeds = [1, 2, 3]
    played, _ = run_episodes("CartPole-v1", Agent(cartpole, 2), seeds, 2, trajectory_steps=15)
    plain, _ = run_episodes("CartPole-v1", Agent(cartpole, 2), seeds, 2)
    real = stored_episodes(cartpole, [result.trajectory for result in played if result.trajectory is not None])
    assert [result.trajectory for result in plain] == [None] * 3
    assert real.length.tolist() == [min(result.length, 15) for result in plain]
    assert real.returns.tolist() == real.length.tolist()
    assert real.observation["observation"].shape == (3, real.length.max() + 1, 4)
    for n, result in enumerate(played):
        assert result.trajectory is not None
        np.testing.assert_allclose(real.observation["observation"][n, 0], result.first_observation, rtol=1e-6)
        np.testing.assert_allclose(
            real.observation["observation"][n, real.length[n]], result.trajectory.observations[-1], rtol=1e-6
        )
        assert real.ended[n].any() == (plain[n].length <= 15)


def test_dreams_are_what_is_imagined_from_the_first_observations(cartpole: WorldModel) -> None:
    starts = [np.zeros(4, np.float32), np.full(4, 0.1, np.float32)] * 4
    found = dreams(cartpole, starts, 40, seed=3)
    assert found.length.max() <= 40
    assert found.observation["observation"].shape[1] == found.reward.shape[1] + 1
    np.testing.assert_allclose(found.observation["observation"][:, 0], starts)
    assert (found.ended.sum(1) <= 1).all()
    last = np.where(found.ended.any(1), found.ended.argmax(1) + 1, 40)
    assert found.length.tolist() == last.tolist()
    again = dreams(cartpole, starts, 40, seed=3)
    np.testing.assert_array_equal(found.action, again.action)
    assert (found.action != dreams(cartpole, starts, 40, seed=4).action).any()
    step = cartpole.first_step(starts)
    direct = cartpole.imagine(
        cartpole.observe(step, cartpole.memory(8)), horizon=20, rollout="sample", seed=3 * 1_000_003
    )
    np.testing.assert_array_equal(direct.action.numpy(), found.action[:, :20])
