"""Behaviours by name, mixed per episode and disturbed per step."""

import importlib
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np

from nextlat_rl.envs.behaviours.base import Behaviour
from nextlat_rl.envs.behaviours.random import RandomBehaviour
from nextlat_rl.envs.registry import is_babyai, is_token_task
from nextlat_rl.errors import UserError

KNOWN = (
    "explorer, expert, bot, random, shortest, noisy_shortest, random_walk, sb3, sb3:<policy.zip>, agent:<run folder>"
)


class MixedBehaviour(Behaviour):
    """One of several behaviours, drawn for each episode, with a uniformly random action now and then.

    Both draws come from the episode's seed. A random action is one the random behaviour could take.
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
    """Behaviour called `name` for environments of `env_id`.

    Raises:
        UserError: the name is unknown or lacks its argument.
    """
    kind, _, argument = name.partition(":")
    if kind in _WITH_ARGUMENT:
        if not argument:
            raise UserError(_WITH_ARGUMENT[kind][1])
        return _WITH_ARGUMENT[kind][0](argument, env_id)
    if argument or kind not in _PLAIN:
        raise UserError(f"unknown behaviour '{name}'; known: {KNOWN}")
    return _PLAIN[kind](env_id)


def _parse_part(part: str) -> tuple[str, float | None]:
    name, _, share = part.rpartition(":")
    try:
        return (name, float(share)) if name else (part, None)
    except ValueError:
        return part, None


def _random(env_id: str) -> Behaviour:
    return RandomBehaviour()


def _explorer(env_id: str) -> Behaviour:
    from nextlat_rl.envs.behaviours.explorer import ExplorerBehaviour

    return ExplorerBehaviour()


def _bot(env_id: str) -> Behaviour:
    from nextlat_rl.envs.behaviours.bot import BotBehaviour

    return BotBehaviour()


def _expert(env_id: str) -> Behaviour:
    from nextlat_rl.envs.behaviours.balance import BalanceBehaviour
    from nextlat_rl.envs.behaviours.expert import ExpertBehaviour
    from nextlat_rl.envs.behaviours.memory_expert import RecallBehaviour
    from nextlat_rl.envs.behaviours.solver import SolverBehaviour

    if env_id.startswith("CartPole-"):
        return BalanceBehaviour()
    if env_id.startswith("LunarLander"):
        from nextlat_rl.envs.behaviours.lander import LanderBehaviour  # imports Box2D

        return LanderBehaviour()
    if env_id.startswith("MiniGrid-Memory"):
        return RecallBehaviour()
    if is_token_task(env_id):
        return SolverBehaviour()
    return _bot(env_id) if is_babyai(env_id) else ExpertBehaviour()


def _traveller(name: str) -> Callable[[str], Behaviour]:
    def build(env_id: str) -> Behaviour:
        from nextlat_rl.envs.behaviours import routes

        kinds: list[type[routes.RouteBehaviour]] = [routes.ShortestPath, routes.NoisyShortestPath, routes.RandomWalk]
        return {kind.name: kind for kind in kinds}[name]()

    return build


def _saved_policy(path: str, env_id: str) -> Behaviour:
    from nextlat_rl.envs.behaviours.sb3_policy import SavedPolicyBehaviour

    return SavedPolicyBehaviour(path)


def _agent(checkpoint: str, env_id: str) -> Behaviour:
    # By name: environments come below agents, so that no import may lead from here to there.
    return importlib.import_module("nextlat_rl.agents.behaviour").AgentBehaviour(checkpoint, env_id)


_PLAIN: dict[str, Callable[[str], Behaviour]] = {
    "random": _random,
    "explorer": _explorer,
    "expert": _expert,
    "bot": _bot,
    **{name: _traveller(name) for name in ("shortest", "noisy_shortest", "random_walk")},
}
_WITH_ARGUMENT: dict[str, tuple[Callable[[str, str], Behaviour], str]] = {
    "agent": (_agent, "behaviour 'agent' needs a run folder: agent:runs/<env>/<run>"),
    "sb3": (_saved_policy, "behaviour 'sb3' trains a policy and cannot be mixed; mix a saved one: sb3:<policy.zip>"),
}
