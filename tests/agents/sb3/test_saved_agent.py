"""An agent on beliefs that is saved, and restored in another process, goes on to the same bits."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from stable_baselines3 import DQN, PPO, SAC
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import DummyVecEnv, VecMonitor, VecNormalize

from nextlat_rl import BeliefVecEnv, ImaginedVecEnv, Replayed, make_belief_env, restore_agent, save_agent
from nextlat_rl.errors import UserError
from nextlat_rl.world_model import WorldModel
from tests.helpers.tiny import cartpole_model, pendulum_model

STEPS = 32


def small() -> dict[str, Any]:
    """SB3 writes into `policy_kwargs`."""
    return {"policy_kwargs": {"net_arch": [8]}, "seed": 3, "device": "cpu"}


def made(name: str) -> Any:
    """A new agent, in whatever state the process is in."""
    cartpole, pendulum = WorldModel(cartpole_model(), "CartPole-v1"), WorldModel(pendulum_model(), "Pendulum-v1")
    off_policy = {"buffer_size": 50, "learning_starts": 10, "batch_size": 8, **small()}
    on_policy = {"n_steps": 16, "batch_size": 16, "n_epochs": 2, **small()}
    if name == "ppo":
        return PPO("MlpPolicy", make_belief_env(cartpole, n_envs=2), **on_policy)
    if name == "ppo-trunk":
        return PPO("MlpPolicy", VecNormalize(make_belief_env(cartpole, 2, acting="trunk"), norm_obs=False), **on_policy)
    if name == "ppo-imagined":
        starts = torch.randn(20, cartpole.belief_size, generator=torch.Generator().manual_seed(0))
        return PPO("MlpPolicy", VecMonitor(ImaginedVecEnv(cartpole, 2, starts, horizon=5)), **on_policy)
    if name == "dqn":
        return DQN("MlpPolicy", make_belief_env(cartpole, n_envs=1), **off_policy)
    return SAC("MlpPolicy", make_belief_env(pendulum, n_envs=2), **off_policy)


def bits(agent: Any) -> dict[str, bytes]:
    """Weights by name, and where the agent stands."""
    weights = {name: weight.numpy().tobytes() for name, weight in agent.policy.state_dict().items()}
    return weights | {"here": np.asarray(agent._last_obs).tobytes(), "draws": torch.rand(3).numpy().tobytes()}


@pytest.mark.parametrize("name", ["ppo-trunk", "ppo-imagined", "dqn"])
def test_a_restored_agent_learns_what_it_would_have_learned_without_a_break(name: str, tmp_path: Path) -> None:
    whole = bits(made(name).learn(2 * STEPS))
    first = made(name).learn(STEPS)
    save_agent(tmp_path, first)
    again = made(name)
    torch.rand(7), np.random.rand(7)
    restore_agent(tmp_path, again)
    assert list(again.ep_info_buffer) == list(first.ep_info_buffer)
    assert bits(again.learn(STEPS, reset_num_timesteps=False)) == whole


def test_a_new_process_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    names = ("ppo", "sac")
    for name in names:
        save_agent(tmp_path / name, made(name).learn(STEPS))
    script = (
        "import sys, json; from tests.agents.sb3.test_saved_agent import *; torch.set_num_threads(1)\n"
        "for name in sys.argv[2:]:\n"
        "    agent = made(name); restore_agent(sys.argv[1] + '/' + name, agent)\n"
        "    agent.learn(STEPS, reset_num_timesteps=False)\n"
        "    print(json.dumps({name: part.hex() for name, part in bits(agent).items()}))"
    )
    done = subprocess.run([sys.executable, "-c", script, tmp_path, *names], capture_output=True, text=True, check=True)
    for name, line in zip(names, done.stdout.splitlines(), strict=True):
        there = {part: bytes.fromhex(value) for part, value in json.loads(line).items()}
        assert there == bits(made(name).learn(2 * STEPS))


class Dice(gym.Env):
    """Observations that nothing but the clock of the process decides."""

    observation_space = gym.make("CartPole-v1").observation_space
    action_space = gym.spaces.Discrete(2)
    drawn = 0.0

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        return self.step(0)[0], {}

    def step(self, action: Any) -> Any:
        Dice.drawn += 0.001
        return np.full(4, Dice.drawn % 0.4, np.float32), 1.0, False, False, {}


def on_dice(wrap: Any = Replayed) -> PPO:
    venv = BeliefVecEnv(DummyVecEnv([lambda: wrap(Dice())]), WorldModel(cartpole_model(), "CartPole-v1"))
    return PPO("MlpPolicy", venv, n_steps=16, batch_size=16, n_epochs=1, **small())


def test_an_environment_that_goes_another_way_is_told(tmp_path: Path) -> None:
    save_agent(tmp_path, on_dice().learn(16))
    with pytest.raises(UserError, match=r"Dice.*went another way.*16 steps"):
        restore_agent(tmp_path, on_dice())


def test_what_cannot_be_saved_is_told_and_what_was_saved_stays(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not before the first"):
        save_agent(tmp_path, made("ppo"))
    with pytest.raises(UserError, match=r"put Replayed\(\.\.\.\) around it"):
        save_agent(tmp_path, on_dice(lambda env: env).learn(16))
    assert not any(tmp_path.iterdir())


def test_saving_in_the_middle_of_a_roll_out_is_refused(tmp_path: Path) -> None:
    class Midway(BaseCallback):
        def _on_step(self) -> bool:
            if self.n_calls == 5:
                save_agent(tmp_path, self.model)
            return True

    with pytest.raises(UserError, match="inside one"):
        made("ppo").learn(STEPS, callback=Midway())


def test_a_damaged_file_another_agent_and_another_world_model_are_refused(tmp_path: Path) -> None:
    folder = save_agent(tmp_path, made("ppo").learn(32))
    assert save_agent(tmp_path, made("ppo").learn(32)) != folder and not folder.exists()
    with pytest.raises(UserError, match="it is a PPO, not a DQN"):
        restore_agent(tmp_path, made("dqn"))
    other = PPO("MlpPolicy", made("ppo").env, n_steps=16, policy_kwargs={"net_arch": [4]})
    with pytest.raises(UserError, match="does not fit the agent"):
        restore_agent(tmp_path, other)
    changed = made("ppo")
    changed.env.world_model.model.start.data.add_(1.0)
    with pytest.raises(UserError, match="world model has other weights"):
        restore_agent(tmp_path, changed)
    file = next(tmp_path.glob("*/agent.safetensors"))
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    with pytest.raises(UserError, match="not the file that was written"):
        restore_agent(tmp_path, made("ppo"))
    with pytest.raises(UserError, match="nothing was saved"):
        restore_agent(tmp_path / "none", made("ppo"))
