"""A checkpoint of ours as a behaviour that gathers data (`behaviour=agent:runs/...`)."""

from functools import lru_cache
from typing import Any

import gymnasium as gym

from nextlat_rl.agents.agent import Agent
from nextlat_rl.envs.behaviour import Behaviour
from nextlat_rl.world_model import WorldModel


@lru_cache(maxsize=2)
def _load(checkpoint: str) -> WorldModel:
    return WorldModel.load(checkpoint, device="cpu")


class AgentBehaviour(Behaviour):
    """Acts with the trunk and draws from the policy; the episode's seed keys the draws."""

    def __init__(self, checkpoint: str, env_id: str) -> None:
        self.agent = Agent(_load(checkpoint), batch_size=1)
        self.reward, self.is_first, self.seed = 0.0, True, 0

    def reset(self, env: gym.Env, seed: int) -> None:
        """Start an episode."""
        self.reward, self.is_first, self.seed = 0.0, True, seed

    def act(self, observation: Any) -> Any:
        """Draw an action from the policy."""
        action = self.agent.act([observation], [self.reward], [self.is_first], [self.seed])[0]
        self.is_first = False
        return action

    def replace_last(self, action: Any) -> None:
        """Remember the action that the environment really got."""
        self.agent.last_action = self.agent.world_model.encode_actions([action])

    def rewarded(self, reward: float) -> None:
        """Remember the reward: it is part of the next token."""
        self.reward = reward
