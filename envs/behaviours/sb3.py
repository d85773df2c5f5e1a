"""A policy saved by Stable-Baselines3: `sb3:<policy.zip>`. Plain `sb3`, which trains one, is `nextlat_rl.envs.sb3`."""

import json
import zipfile
from pathlib import Path
from typing import Any

import gymnasium as gym

from nextlat_rl.envs.behaviour import Behaviour, env_name
from nextlat_rl.envs.sb3.border import SB3Border
from nextlat_rl.envs.sb3.features import FeatureWrapper
from nextlat_rl.errors import UserError

ALGORITHMS = {"sac": "SAC", "td3": "TD3", "dqn": "DQN"}  # by the module of the policy class; PPO and A2C share theirs


class SavedPolicyBehaviour(Behaviour):
    """Greedy actions of an SB3 model. Loading such a file can run code that it contains: load only files you trust."""

    def __init__(self, path: str) -> None:
        import stable_baselines3

        self._path = path
        self._model = getattr(stable_baselines3, _algorithm(Path(path))).load(path, device="cpu")

    def reset(self, env: gym.Env, seed: int) -> None:
        """Find out whether the policy reads the environment's observations or `FeatureWrapper`'s.

        Raises:
            UserError: neither fits, or the action spaces differ.
        """
        features = FeatureWrapper(env)
        expected = self._model.observation_space
        readable = expected in (env.observation_space, features.observation_space)
        self._border = SB3Border(env.action_space)
        if not readable or self._model.action_space not in (env.action_space, self._border.inside):
            raise UserError(f"policy '{self._path}' was trained on other spaces than those of '{env_name(env)}'")
        self._features = None if expected == env.observation_space else features

    def act(self, observation: Any) -> Any:
        """The policy's most likely action."""
        seen = observation if self._features is None else self._features.observation(observation)
        return self._border.to_outside(self._model.predict(seen, deterministic=True)[0])


def _algorithm(file: Path) -> str:
    try:
        with zipfile.ZipFile(file) as archive:
            data = json.loads(archive.read("data"))
        module = data["policy_class"]["__module__"]
    except FileNotFoundError:
        raise UserError(f"no policy file '{file}'; give a zip saved by Stable-Baselines3: sb3:<policy.zip>") from None
    except (zipfile.BadZipFile, KeyError, ValueError, OSError):
        raise UserError(f"'{file}' is no policy saved by Stable-Baselines3; save one with model.save") from None
    for part, name in ALGORITHMS.items():
        if f".{part}." in module:
            return name
    return "PPO" if "clip_range" in data else "A2C"


def _build(env_id: str, argument: str) -> Behaviour:
    if not argument:
        raise UserError("behaviour 'sb3' trains a policy and cannot be mixed; mix a saved one: sb3:<policy.zip>")
    return SavedPolicyBehaviour(argument)


BEHAVIOUR = _build
