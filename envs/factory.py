"""Make an environment by name, ready for data collection and evaluation."""

import os
import re
import warnings
from typing import Any

import gymnasium as gym

from nextlat_rl.env_ids import split_env_id
from nextlat_rl.envs import timeout
from nextlat_rl.envs.guard import LONGEST, GuardedEnv
from nextlat_rl.envs.missions import TextMission, has_mission
from nextlat_rl.envs.registry import resolve_env_id
from nextlat_rl.errors import UserError
from nextlat_rl.notices import reason


def make_env(env_id: str, **kwargs: Any) -> gym.Env:
    """Environment named `env_id` (version optional) without gymnasium's passive checker, missions as Text.

    Its observations are copies in the types of its space. Episodes without an end are cut (`guard.LONGEST`).

    Args:
        env_id: may carry arguments of `gymnasium.make`, see `nextlat_rl.env_ids`.
        **kwargs: more of them.

    Raises:
        UserError: unknown id, a package the environment needs is missing, an argument it does not take or lacks,
            whatever its constructor raises, or no end of it within `timeout()` seconds. Its `reset` and `step` raise
            UserError too, which names the place.
    """
    full = resolve_env_id(env_id)
    name, own = split_env_id(full)
    kwargs = {"disable_env_checker": True, **own, **kwargs}
    os.environ.setdefault("SDL_NO_SIGNAL_HANDLERS", "1")  # SDL, which many draw with, would swallow SIGTERM
    timeout.watch()
    try:
        with timeout.Call(lambda: f"environment '{full}', while it is made"), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*is out of date.*")
            env = gym.make(name, **kwargs)
    except timeout.HangError:
        raise
    except (gym.error.DependencyNotInstalled, ImportError) as error:
        raise UserError(_missing_package(full, error)) from error
    except TypeError as error:
        raise UserError(_wrong_arguments(full, error)) from error
    except Exception as error:  # constructors raise anything
        raise UserError(f"environment '{full}' cannot be made: {reason(error)}") from error
    env = TextMission(env) if has_mission(env.observation_space) else env
    return GuardedEnv(env, full, None if time_limit(env) else LONGEST)


def _wrong_arguments(env_id: str, error: TypeError) -> str:
    """What to do about a constructor's TypeError, in one line."""
    text = " ".join(str(error).split()).split(" was raised from the environment creator")[0]
    missing = re.search(r"missing \d+ required .*?arguments?: '(\w+)'", text)
    if missing:
        return f"environment '{env_id}' needs arguments ({text}): give them as env.kwargs.{missing[1]}=<value>"
    unknown = re.search(r"unexpected keyword argument '(\w+)'", text)
    if unknown:
        return f"environment '{env_id}' does not take env.kwargs.{unknown[1]} ({text}): leave it out"
    return f"environment '{env_id}' cannot be made: TypeError: {text}"


def _missing_package(env_id: str, error: Exception) -> str:
    if "mujoco is not installed" in str(error).lower():
        return f"environment '{env_id}' needs mujoco; run: pip install 'nextlat_rl[mujoco]'"
    if "ale_py" in str(error).lower():
        return f"environment '{env_id}' needs ale-py; run: pip install 'nextlat_rl[atari]'"
    if "box2d" in str(error).lower():
        return f"environment '{env_id}' needs Box2D; run: pip install 'nextlat_rl[box2d]'"
    return f"environment '{env_id}' cannot be made: {' '.join(str(error).split())}"


def time_limit(env: gym.Env) -> int | None:
    """Steps after which the environment cuts an episode, if it does."""
    spec = env.spec
    registered = spec.max_episode_steps if spec is not None else None
    own = getattr(env.unwrapped, "max_steps", None)
    if registered is None and own is None and spec is not None and "max_num_frames_per_episode" in spec.kwargs:
        return int(spec.kwargs["max_num_frames_per_episode"] or 0) or None  # Atari
    return registered or own
