"""Make an environment by name, ready for data collection and evaluation."""

import os
import warnings
from typing import Any

import gymnasium as gym

from nextlat_rl.envs.missions import TextMission, has_mission
from nextlat_rl.envs.registry import resolve_env_id
from nextlat_rl.errors import UserError


def make_env(env_id: str, **kwargs: Any) -> gym.Env:
    """Environment named `env_id` (version optional) without gymnasium's passive checker, missions as Text.

    `kwargs` go to `gymnasium.make`.

    Raises:
        UserError: unknown id, a package the environment needs is missing, or an argument it does not take.
    """
    full = resolve_env_id(env_id)
    kwargs.setdefault("disable_env_checker", True)
    os.environ.setdefault("SDL_NO_SIGNAL_HANDLERS", "1")  # SDL, which many draw with, would swallow SIGTERM
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*is out of date.*")
            env = gym.make(full, **kwargs)
    except (gym.error.DependencyNotInstalled, ImportError) as error:
        raise UserError(_missing_package(full, error)) from error
    except TypeError as error:
        if kwargs and "unexpected keyword argument" in str(error):
            raise UserError(f"environment '{full}' does not take these arguments: {error}") from error
        raise
    return TextMission(env) if has_mission(env.observation_space) else env


def _missing_package(env_id: str, error: Exception) -> str:
    if "mujoco is not installed" in str(error).lower():
        return f"environment '{env_id}' needs mujoco; run: pip install 'nextlat_rl[mujoco]'"
    if "box2d" in str(error).lower():
        return f"environment '{env_id}' needs Box2D; run: pip install 'nextlat_rl[box2d]'"
    return f"environment '{env_id}' cannot be made: {' '.join(str(error).split())}"


def time_limit(env: gym.Env) -> int | None:
    """Steps after which the environment cuts an episode, if it does."""
    registered = env.spec.max_episode_steps if env.spec is not None else None
    return registered or getattr(env.unwrapped, "max_steps", None)
