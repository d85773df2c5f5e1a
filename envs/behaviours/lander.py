"""LunarLander's expert: the controller that Gymnasium ships for demonstrations."""

from typing import Any

import gymnasium as gym
from gymnasium.envs.box2d.lunar_lander import heuristic

from nextlat_rl.envs.behaviours.base import Behaviour


class LanderBehaviour(Behaviour):
    """Points to the pad and brakes in proportion to height, with discrete engines and with continuous ones."""

    def reset(self, env: gym.Env, seed: int) -> None:
        """The controller asks the environment which kind of engines it has."""
        self._env = env

    def act(self, observation: Any) -> Any:
        """What the controller says."""
        return heuristic(self._env, observation)
