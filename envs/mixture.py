"""Mixtures of behaviours: one drawn for each episode, with random actions in between."""

from typing import Any

import gymnasium as gym
import numpy as np

from nextlat_rl.envs.behaviour import Behaviour
from nextlat_rl.envs.behaviours.random import RandomBehaviour
from nextlat_rl.errors import UserError
from nextlat_rl.registry import Registry

BEHAVIOURS = Registry("nextlat_rl.envs.behaviours", "behaviour", "BEHAVIOUR")


class MixedBehaviour(Behaviour):
    """One of several behaviours, drawn for each episode, with a random action with probability `epsilon` a step.

    Both draws come from the episode's seed. Random actions are those of the behaviour `random`.
    """

    def __init__(self, shares: list[tuple[str, float]], env_id: str, epsilon: float) -> None:
        self._names = [name for name, _ in shares]
        self._shares = [share for _, share in shares]
        self._behaviours = [build_behaviour(name, env_id) for name in self._names]
        self._epsilon = epsilon
        self._random = RandomBehaviour()
        self.name = self._names[0]

    def reset(self, env: gym.Env, seed: int) -> None:
        """Draw the episode's behaviour, from then on called `name`, and reset it."""
        # Streams of their own: neither draw may depend on, or repeat, what the behaviour or the level draws.
        choice, noise, action = np.random.SeedSequence([seed, 0x6D6978]).spawn(3)
        index = int(np.random.default_rng(choice).choice(len(self._names), p=self._shares))
        self._noise = np.random.default_rng(noise)
        self._random.reset(env, int(action.generate_state(1)[0]))
        self.name, self._current = self._names[index], self._behaviours[index]
        self._current.reset(env, seed)

    def act(self, observation: Any) -> Any:
        """The behaviour's action, or with probability epsilon a random one, of which the behaviour is told."""
        action = self._current.act(observation)
        if self._epsilon and self._noise.random() < self._epsilon:
            action = self._random.act(observation)
            self._current.replace_last(action)
        return action

    def replace_last(self, action: Any) -> None:
        """Pass on to the episode's behaviour."""
        self._current.replace_last(action)

    def rewarded(self, reward: float) -> None:
        """Pass on to the episode's behaviour."""
        self._current.rewarded(reward)


def parse_mixture(text: str) -> list[tuple[str, float]]:
    """Names and shares in "explorer:0.9+random:0.1"; a single name needs no share.

    A name may contain colons ("sb3:policy.zip", "agent:runs/x"): only a number after the last one is a share.

    Raises:
        UserError: a share is missing, negative, or the shares do not add up to 1.
    """
    parts = [_parse_part(part.strip()) for part in text.split("+")]
    if len(parts) == 1 and parts[0][1] is None:
        return [(parts[0][0], 1.0)]
    shares = [(name, share) for name, share in parts if share is not None]
    if len(shares) < len(parts) or any(share < 0 for _, share in shares):
        raise UserError(f"behaviour '{text}': give each part its share, as in explorer:0.9+random:0.1")
    total = sum(share for _, share in shares)
    if abs(total - 1) > 1e-6:
        raise UserError(f"behaviour '{text}': the shares add up to {total:g}, they must add up to 1")
    return [(name, share / total) for name, share in shares]


def build_behaviour(name: str, env_id: str) -> Behaviour:
    """Behaviour called `name`, with an argument after a colon where it takes one, for environments of `env_id`.

    Raises:
        UserError: the name is unknown, or its argument is missing or wrong.
    """
    kind, _, argument = name.partition(":")
    return BEHAVIOURS.load(kind)(env_id, argument)


def _parse_part(part: str) -> tuple[str, float | None]:
    name, _, share = part.rpartition(":")
    try:
        return (name, float(share)) if name else (part, None)
    except ValueError:
        return part, None
