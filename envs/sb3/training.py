"""Trains PPO or SAC with Stable-Baselines3 and yields the episodes of the training."""

import copy
import inspect
from collections.abc import Iterator
from typing import Any

import gymnasium as gym

from nextlat_rl.envs.episode import Episode
from nextlat_rl.envs.factory import make_env
from nextlat_rl.envs.sb3.border import SB3Actions
from nextlat_rl.envs.sb3.features import FeatureWrapper
from nextlat_rl.envs.sb3.recorder import Recorder, Recording
from nextlat_rl.errors import UserError

DEFAULTS: dict[str, dict[str, Any]] = {
    "ppo": {"n_envs": 8, "n_steps": 256, "batch_size": 256, "n_epochs": 10, "learning_rate": "lin_0.001"},
    "sac": {"n_envs": 1, "learning_rate": 1e-3, "learning_starts": 1000},
}
CHUNK = 1000  # steps of an off-policy algorithm after which its episodes are yielded


def training_episodes(env_id: str, *, steps: int, seed: int, settings: dict[str, Any]) -> Iterator[Episode]:
    """Train for `steps` environment steps and yield all of them as episodes, in the order they end.

    Args:
        env_id: registered id.
        steps: transitions, exactly; episodes still open at the end are marked truncated.
        seed: of the algorithm and the first episode; episode i (in the order of their starts) has seed `seed` + i.
        settings: "algorithm" ("ppo" or "sac"; by default "sac" for Box actions, else "ppo"), "n_envs" and
            keyword arguments of the algorithm's class. "lin_0.001" is a schedule falling linearly from 0.001 to 0.

    Raises:
        UserError: an unknown setting, or spaces the algorithm does not take.
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # faster for such small networks
    try:
        yield from _train(env_id, steps, seed, settings)
    finally:
        torch.set_num_threads(threads)


def _train(env_id: str, steps: int, seed: int, settings: dict[str, Any]) -> Iterator[Episode]:
    recording = Recording(steps, seed, "sb3")
    model = _build_model(env_id, settings, recording, seed)
    on_policy = hasattr(model, "rollout_buffer")
    try:
        while not recording.full:
            chunk = model.n_steps * model.n_envs if on_policy else min(CHUNK, steps - recording.steps)
            model.learn(chunk, reset_num_timesteps=False)
            yield from recording.take()
    finally:
        model.env.close()


def _build_model(env_id: str, settings: dict[str, Any], recording: Recording, seed: int) -> Any:
    from stable_baselines3 import PPO, SAC
    from stable_baselines3.common.logger import Logger
    from stable_baselines3.common.vec_env import DummyVecEnv

    action_space, is_image = _inspect(env_id)
    algorithm = str(settings.get("algorithm") or _suited_algorithm(action_space))
    if algorithm not in DEFAULTS:
        raise UserError(f"sb3.algorithm '{algorithm}' is unknown; known: {', '.join(DEFAULTS)}")
    options = {**DEFAULTS[algorithm], **copy.deepcopy(settings)}  # SB3 writes into policy_kwargs
    options.pop("algorithm", None)
    n_envs = options.pop("n_envs")
    cls = {"ppo": PPO, "sac": SAC}[algorithm]
    _check_options(cls, options)
    options = {name: _schedule(name, value, recording) for name, value in options.items()}
    environments = DummyVecEnv([lambda: _wrapped(Recorder(make_env(env_id), recording))] * n_envs)
    options = {"device": "cpu", "seed": seed, **options}
    try:
        model = cls("CnnPolicy" if is_image else "MlpPolicy", environments, **options)
    except AssertionError as error:  # SB3 checks action spaces by assertion
        raise UserError(f"{cls.__name__} cannot train in '{env_id}': {' '.join(str(error).split())}") from None
    model.set_logger(Logger(None, []))  # the default one leaves an empty folder in the temporary directory
    return model


def _wrapped(env: gym.Env) -> FeatureWrapper:
    """The environment as an SB3 agent sees it."""
    return FeatureWrapper(SB3Actions(env))


def check_trainable(env: gym.Env) -> None:
    """Require spaces that the behaviour `sb3` can train on; `env` is not closed.

    Raises:
        UserError: they are not; the message says why.
    """
    _wrapped(env)


def _inspect(env_id: str) -> tuple[gym.Space, bool]:
    env = _wrapped(make_env(env_id))
    env.close()
    return env.action_space, env.is_image


def _suited_algorithm(space: gym.Space) -> str:
    return "sac" if isinstance(space, gym.spaces.Box) else "ppo"


def _check_options(cls: type, options: dict[str, Any]) -> None:
    known = set(inspect.signature(cls).parameters) - {"policy", "env"}
    unknown = sorted(set(options) - known)
    if unknown:
        raise UserError(f"sb3.{unknown[0]} is no setting of {cls.__name__}; known: n_envs, {', '.join(sorted(known))}")


def _schedule(name: str, value: Any, recording: Recording) -> Any:
    if not isinstance(value, str) or not value.startswith("lin_"):
        return value
    try:
        start = float(value.removeprefix("lin_"))
    except ValueError:
        raise UserError(f"sb3.{name}={value}: write a linear schedule as lin_<start>, for example lin_0.001") from None
    # SB3's own progress restarts with every call of `learn`.
    return lambda _: start * recording.remaining
