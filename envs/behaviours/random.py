"""Uniformly random actions."""

import copy
from typing import Any

import gymnasium as gym
import numpy as np

from nextlat_rl.envs.behaviour import Behaviour, without_argument
from nextlat_rl.envs.minigrid.constants import DROP, FORWARD, LEFT, PICKUP, RIGHT, TOGGLE

MOVES = (LEFT, RIGHT, FORWARD)
MOVES_AND_USES = (LEFT, RIGHT, FORWARD, PICKUP, DROP, TOGGLE)


class RandomBehaviour(Behaviour):
    """Uniform over the action space; in MiniGrid and BabyAI over the actions that can have an effect in the level."""

    name = "random"

    def reset(self, env: gym.Env, seed: int) -> None:
        """Seed the episode and find the actions that have an effect."""
        self._actions = useful_actions(env)
        # Not the environment's own stream: with equal seeds the first draws of actions and of the level would be equal,
        # so that actions would tell a model what cannot be observed.
        own = np.random.SeedSequence([seed, 0x616374])
        self._rng = np.random.default_rng(own)
        self._space = copy.deepcopy(env.action_space)
        self._space.seed(int(own.generate_state(1)[0]))

    def act(self, observation: Any) -> Any:
        """Draw an action; the observation is not used."""
        if self._actions is None:
            return self._space.sample()
        return self._actions[self._rng.integers(len(self._actions))]


def useful_actions(env: gym.Env) -> tuple[int, ...] | None:
    """Actions that can change something in a MiniGrid level, None in any other environment.

    "done" never does; pick up, drop and toggle only where the level has doors, keys, balls or boxes.
    """
    level: Any = env.unwrapped
    if not hasattr(level, "agent_view_size"):
        return None
    usable = any(cell is not None and cell.type in ("door", "key", "ball", "box") for cell in level.grid.grid)
    count = int(level.action_space.n)
    return tuple(action for action in (MOVES_AND_USES if usable else MOVES) if action < count)


BEHAVIOUR = without_argument(RandomBehaviour)
