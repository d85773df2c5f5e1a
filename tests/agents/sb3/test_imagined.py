"""Imagined environments: the world model's own steps, time limits as SB3 wants them, every algorithm runs in them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from stable_baselines3 import A2C, DQN, PPO
from stable_baselines3.common.vec_env import VecMonitor

from nextlat_rl import ImaginedVecEnv, start_beliefs
from nextlat_rl.agents.sb3.imagined import departure
from nextlat_rl.data.minari_io import write_dataset
from nextlat_rl.envs import make_env
from nextlat_rl.envs.episodes import collect_episodes
from nextlat_rl.errors import UserError
from nextlat_rl.world_model import WorldModel
from tests.helpers.tiny import cartpole_model, pendulum_model


@pytest.fixture(scope="module")
def cartpole() -> WorldModel:
    return WorldModel(cartpole_model(), "CartPole-v1")


def starts(count: int = 5) -> torch.Tensor:
    return torch.randn(count, 16, generator=torch.Generator().manual_seed(0))


def played(venv: ImaginedVecEnv, steps: int) -> list[tuple[Any, ...]]:
    log = [(venv.reset(),)]
    rng = np.random.default_rng(0)
    return log + [venv.step(rng.integers(2, size=venv.num_envs)) for _ in range(steps)]


def test_same_seed_same_episodes_and_another_seed_others(cartpole: WorldModel) -> None:
    venv = ImaginedVecEnv(cartpole, 4, starts(), horizon=9, seed=1)
    first, second = played(venv, 40), played(venv, 40)
    other = ImaginedVecEnv(cartpole, 4, starts(), horizon=9)
    other.seed(1)
    third = played(other, 40)
    other.seed(2)
    fourth = played(other, 40)
    for a, b, c in zip(first, second, third, strict=True):
        np.testing.assert_array_equal(a[0], b[0])
        np.testing.assert_array_equal(a[0], c[0])
    assert any((a[0] != d[0]).any() for a, d in zip(first, fourth, strict=True))


def test_rows_do_not_depend_on_how_many_there_are(cartpole: WorldModel) -> None:
    few, many = (ImaginedVecEnv(cartpole, n, starts(), horizon=9) for n in (2, 6))
    few.reset(), many.reset()
    for _ in range(30):
        a, b = few.step(np.zeros(2, int)), many.step(np.zeros(6, int))
        np.testing.assert_allclose(a[0], b[0][:2], atol=1e-5)
        np.testing.assert_array_equal(a[2], b[2][:2])


def test_an_end_is_the_models_or_the_horizons_and_carries_the_last_belief(cartpole: WorldModel) -> None:
    venv = ImaginedVecEnv(cartpole, 8, starts(), horizon=5)
    before, length = venv.reset(), np.zeros(8, int)
    kinds = set()
    for _ in range(40):
        seen, reward, done, infos = venv.step(np.ones(8, int))
        length += 1
        assert (reward == 1).all()  # the only reward that the data had
        for i in np.flatnonzero(done):
            cut = infos[i]["TimeLimit.truncated"]
            kinds.add(cut)
            assert length[i] == 5 if cut else length[i] <= 5
            assert (np.abs(starts().numpy() - seen[i]).max(1) == 0).any()
            assert not np.array_equal(infos[i]["terminal_observation"], before[i])
        assert all("terminal_observation" not in infos[i] for i in np.flatnonzero(~done))
        length[done] = 0
        before = seen
    assert kinds == {True, False}


def test_leaving_the_models_policy_costs_what_it_says(cartpole: WorldModel) -> None:
    """Per step the price of log pi_0(mode) - log pi_0(a); what happens stays the same."""
    free, priced = (ImaginedVecEnv(cartpole, 6, starts(), horizon=9, behaviour_price=price) for price in (0.0, 0.25))
    belief, _ = free.reset(), priced.reset()
    rng, costs = np.random.default_rng(0), []
    for _ in range(30):
        action = rng.integers(2, size=6)
        with torch.no_grad():
            chances = cartpole.model.action.head(torch.as_tensor(belief)).log_softmax(1)
        cost = 0.25 * (chances.amax(1) - chances[torch.arange(6), torch.as_tensor(action)]).numpy()
        (belief, reward, *rest), (seen, paid, *others) = free.step(action), priced.step(action)
        np.testing.assert_array_equal(belief, seen)
        assert str(rest) == str(others)
        np.testing.assert_allclose(reward - paid, cost, atol=1e-5)
        costs += cost.tolist()
    assert min(costs) == 0.0 < max(costs)


def test_departure_of_continuous_actions_is_nothing_at_the_mode() -> None:
    world_model = WorldModel(pendulum_model(), "Pendulum-v1")
    belief = torch.randn(5, world_model.belief_size)
    logits = world_model.model.action.logits
    with torch.no_grad():  # a policy that prefers the middle, so that the ends are less likely than its mode
        logits.bias.copy_(-torch.linspace(-6, 6, len(logits.bias)).square())
    mode = world_model.model.action.mode(world_model.model.action.head(belief))
    assert departure(world_model, belief, mode).tolist() == [0.0] * 5
    ends = [world_model.encode_actions(np.full((5, 1), end, np.float32)) for end in (-2.0, 2.0)]
    assert (torch.maximum(*(departure(world_model, belief, end) for end in ends)) > 0).all()


def test_beliefs_handed_out_are_copies(cartpole: WorldModel) -> None:
    venv = ImaginedVecEnv(cartpole, 2, starts(), horizon=9)
    seen = venv.reset()
    seen[:] = 0
    kept = venv.step(np.zeros(2, int))[0]
    again = ImaginedVecEnv(cartpole, 2, starts(), horizon=9)
    again.reset()
    np.testing.assert_array_equal(kept, again.step(np.zeros(2, int))[0])


@pytest.mark.parametrize("algorithm", [PPO, A2C, DQN])
def test_sb3_trains_in_imagination(cartpole: WorldModel, algorithm: Any) -> None:
    short = {"n_steps": 16, "batch_size": 16} if algorithm is PPO else {}
    short |= {"learning_starts": 20} if algorithm is DQN else {}
    venv = VecMonitor(ImaginedVecEnv(cartpole, 4, starts(), horizon=9))
    agent = algorithm("MlpPolicy", venv, seed=0, **short).learn(128)
    assert agent.num_timesteps >= 128
    assert len(agent.ep_info_buffer) > 0


def test_starts_are_beliefs_of_the_data(cartpole: WorldModel, tmp_path: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    monkeypatch.setenv("NEXTLAT_CACHE", str(tmp_path / "stores"))
    env = make_env("CartPole-v1")
    episodes = list(collect_episodes("CartPole-v1", "random", episodes=6, seed=0))
    write_dataset("test/cp-v0", "CartPole-v1", env.observation_space, env.action_space, episodes, behaviour="random")
    first = start_beliefs(cartpole, "test/cp-v0")
    assert first.shape == (6, 16)
    steps = cartpole.first_step([episode.observations[0] for episode in episodes])
    expected = cartpole.observe(steps, cartpole.memory(6))
    for belief in first:
        assert (expected - belief).abs().amax(1).min() < 1e-5
    assert len(start_beliefs(cartpole, "test/cp-v0", 50, anywhere=True)) == 50


def test_bad_input_gets_one_clear_line(cartpole: WorldModel) -> None:
    with pytest.raises(UserError, match="start beliefs"):
        ImaginedVecEnv(cartpole, 2, torch.zeros(0, 16), horizon=5)
    with pytest.raises(UserError, match=r"\[N, 16\]"):
        ImaginedVecEnv(cartpole, 2, torch.zeros(3, 8), horizon=5)
    with pytest.raises(UserError, match="horizon=0"):
        ImaginedVecEnv(cartpole, 2, starts(), horizon=0)
    with pytest.raises(UserError, match="behaviour_price=-1"):
        ImaginedVecEnv(cartpole, 2, starts(), horizon=5, behaviour_price=-1)
