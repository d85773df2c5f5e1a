"""LunarLander's expert: the controller that Gymnasium ships for demonstrations."""

from typing import Any

import gymnasium as gym

from nextlat_rl.envs.behaviour import Behaviour


class LunarLanderExpert(Behaviour):
    """Points to the pad and brakes in proportion to height, with discrete engines and with continuous ones."""

    environments = ("LunarLander",)

    def reset(self, env: gym.Env, seed: int) -> None:
        """The controller asks the environment which kind of engines it has."""
        from gymnasium.envs.box2d.lunar_lander import heuristic  # imports Box2D

        self._env, self._controller = env, heuristic

    def act(self, observation: Any) -> Any:
        """The controller's action."""
        return self._controller(self._env, observation)


EXPERT = LunarLanderExpert
