"""The agent as a behaviour gathers what the agent would do, epsilon noise and rewards included in its beliefs."""

from __future__ import annotations

from pathlib import Path

import gymnasium as gym
import torch

from nextlat_rl.agents.agent import Agent
from nextlat_rl.agents.behaviour import AgentBehaviour
from nextlat_rl.agents.episodes import run_episodes
from nextlat_rl.envs.episodes import collect_episodes
from nextlat_rl.training import checkpoint
from nextlat_rl.training.config import TrainerConfig
from nextlat_rl.training.optimizer import make_optimizer
from nextlat_rl.world_model import WorldModel
from tests.helpers.tiny import cartpole_model


def saved(folder: Path) -> Path:
    model = cartpole_model()
    optimizer = make_optimizer(model, TrainerConfig(learning_rate=1e-3))
    checkpoint.save(folder, 0, model, optimizer, {"env_id": "CartPole-v1", "discount": 0.99})
    return folder


def test_gathers_what_the_agent_plays(tmp_path: Path) -> None:
    path = saved(tmp_path)
    gathered = list(collect_episodes("CartPole-v1", f"agent:{path}", episodes=3, seed=5))
    agent = Agent(WorldModel.load(path, "cpu"), 3)
    played, _ = run_episodes("CartPole-v1", agent, [5, 6, 7], 3)
    assert [len(episode) for episode in gathered] == [result.length for result in played]


def test_belief_knows_the_action_and_reward_that_really_were(tmp_path: Path) -> None:
    behaviour = AgentBehaviour(str(saved(tmp_path)), "CartPole-v1")
    env = gym.make("CartPole-v1")
    observation, _ = env.reset(seed=0)
    beliefs = []
    for action, reward in ((0, 1.0), (1, 1.0), (0, 1.0)):
        behaviour.reset(env, 0)
        behaviour.act(observation)
        behaviour.replace_last(action)
        behaviour.rewarded(reward)
        behaviour.act(observation)
        beliefs.append(behaviour.agent.memory.belief.clone())
    assert torch.equal(beliefs[0], beliefs[2])
    assert not torch.equal(beliefs[0], beliefs[1])
