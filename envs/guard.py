"""The border to an environment: what comes in is checked and copied, what goes wrong is said in one line."""

import traceback
from collections.abc import Callable, Mapping
from typing import Any, SupportsFloat

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from nextlat_rl.envs import timeout
from nextlat_rl.errors import UserError
from nextlat_rl.notices import notice, reason

LONGEST = 1000  # steps of an episode where the environment sets no limit
_CLOSING = 30.0  # seconds at most
_never_closed: set[str] = set()  # environments that hang in it, of which there may be many

_Check = Callable[[Any], Any]


class GuardedEnv(gym.Wrapper, gym.utils.RecordConstructorArgs):
    """An environment whose observations are copies in the types of its space, and whose errors name the place.

    Args:
        env: of any kind.
        name: in messages.
        limit: steps after which an episode is cut that the environment itself does not end; None for never.
    """

    def __init__(self, env: gym.Env, name: str, limit: int | None = None) -> None:
        gym.utils.RecordConstructorArgs.__init__(self, name=name, limit=limit)
        gym.Wrapper.__init__(self, env)
        self._name, self._limit = name, limit
        self._check = _checker(env.observation_space, "observation")
        self._seed: int | None = None
        self._time = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Start an episode.

        Raises:
            UserError: naming environment and episode, if the environment raises, does not answer or its observation is
                not usable.
        """
        self._seed, self._time = seed, 0
        timeout.watch()
        with _Named(self._place):
            observation, info = self.env.reset(seed=seed, options=options)
            return self._check(observation), info

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """Take a step.

        Raises:
            UserError: naming environment, episode and step, if the environment raises, does not answer or what it
                returns is not usable.
        """
        self._time += 1
        with _Named(self._place):
            observation, reward, terminated, truncated, info = self.env.step(action)
            number, seen = _number(reward), self._check(observation)
            terminated, truncated = bool(terminated), bool(truncated)
        if self._limit is not None and self._time >= self._limit and not (terminated or truncated):
            notice(
                f"environment '{self._name}' has no time limit: its episodes are cut after {self._limit:,} steps; "
                "env.kwargs.max_episode_steps=<steps> sets another"
            )
            truncated = True
        return seen, number, terminated, truncated, info

    def render(self) -> Any:
        """Draw it; raises HangError where that takes too long, else whatever the environment raises."""
        with timeout.Call(self._place):
            return self.env.render()

    def close(self) -> None:
        """Close the environment; what it raises then, or that it hangs, costs nothing that was done."""
        if self._name in _never_closed:
            return
        limit = min(timeout.timeout(), _CLOSING)
        try:
            with timeout.Call(lambda: f"environment '{self._name}' does not close", limit):
                self.env.close()
        except timeout.HangError:
            _never_closed.add(self._name)
            notice(f"environment '{self._name}' does not close within {limit:g} seconds: it is left open")
        except Exception as error:  # environments raise anything
            notice(f"environment '{self._name}' failed to close: {reason(error)}")

    def _place(self) -> str:
        episode = "a later episode" if self._seed is None else f"the episode with seed {self._seed}"
        place = f"in step {self._time}" if self._time else "at its reset"
        return f"environment '{self._name}', {episode}, {place}"


class _Named(timeout.Call):
    """Whatever the environment raises becomes a line that names the place; also its own `sys.exit`."""

    def failed(self, error: BaseException) -> None:
        super().failed(error)
        ours = isinstance(error, UserError) or (isinstance(error, SystemExit) and _is_ours(error))
        if isinstance(error, Exception | SystemExit) and not ours:  # environments raise anything
            raise UserError(f"{self.place()}: {reason(error)}; correct the environment") from error


def _is_ours(error: BaseException) -> bool:
    """Whether it was raised by this package, such as by a signal handler, and not by an environment."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return str(frame.f_globals.get("__name__")).startswith("nextlat_rl.")


def _number(reward: Any) -> float:
    """A reward as a number; arrays of one element are numbers."""
    array = np.asarray(reward)
    if array.size != 1 or array.dtype.kind not in "fiub":
        raise ValueError(f"the reward is {reward!r}, not one number")
    number = float(array.reshape(()))
    if not np.isfinite(number):
        raise ValueError(f"the reward is {number}, not finite")
    return number


def _checker(space: spaces.Space, name: str) -> _Check:
    """A function from an observation of `space` to its copy; it raises ValueError where it is not one."""
    if isinstance(space, spaces.Dict):
        return _dict_checker(space, name)
    if isinstance(space, spaces.Tuple):
        return _tuple_checker(space, name)
    if isinstance(space, spaces.Box):
        return _box_checker(space, name)
    if isinstance(space, spaces.Discrete):
        return lambda value: _integer(space, value, name)
    if isinstance(space, spaces.MultiDiscrete | spaces.MultiBinary):
        return lambda value: _integers(space, value, name)
    if isinstance(space, spaces.Text):
        return lambda value: _text(value, name)
    return lambda value: value  # of no use to a model, which says so


def _dict_checker(space: spaces.Dict, name: str) -> _Check:
    parts = {key: _checker(part, f"{name}[{key!r}]") for key, part in space.items()}

    def check(value: Any) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise ValueError(f"{name} is {_kind(value)}, its space says a dict")
        missing = [key for key in parts if key not in value]
        if missing:
            raise ValueError(f"{name} has no part {missing[0]!r}")
        return {key: part(value[key]) for key, part in parts.items()}

    return check


def _tuple_checker(space: spaces.Tuple, name: str) -> _Check:
    parts = [_checker(part, f"{name}[{i}]") for i, part in enumerate(space.spaces)]

    def check(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, tuple | list) or len(value) != len(parts):
            raise ValueError(f"{name} is {_kind(value)}, its space says {len(parts)} parts")
        return tuple(part(item) for part, item in zip(parts, value, strict=True))

    return check


def _box_checker(space: spaces.Box, name: str) -> _Check:
    low, high, kind = space.low, space.high, space.dtype
    images = kind == np.uint8 and not low.any() and bool((high == 255).all())
    unbounded = images or bool((np.isneginf(low) & np.isposinf(high)).all())

    def check(value: Any) -> np.ndarray:
        given = np.array(value)
        if given.shape != space.shape or given.dtype.kind not in "fiub":
            raise ValueError(f"{name} is {_kind(value)} of shape {given.shape}, its space says {kind} {space.shape}")
        if given.dtype.kind == "f" and not np.isfinite(given).all():
            raise ValueError(f"{name} is not finite: {_shown(given)}")
        cast = given if given.dtype == kind else given.astype(kind)
        if kind.kind != "f" and cast is not given and (cast != given).any():
            raise ValueError(f"{name} is {_shown(given)}, its space says {kind}")
        if not unbounded and ((cast < low) | (cast > high)).any():
            notice(f"{name} is outside the bounds of its space {space}; imagined ones will stay within them")
        return cast

    return check


def _integer(space: spaces.Discrete, value: Any, name: str) -> Any:
    number = np.asarray(value)
    if number.size != 1 or number.dtype.kind not in "iub":
        raise ValueError(f"{name} is {_shown(number)}, its space says {space}")
    index = number.reshape(()).astype(space.dtype)[()]
    if not space.start <= index < space.start + space.n:
        raise ValueError(f"{name} is {index}, outside {space}")
    return index


def _integers(space: spaces.MultiDiscrete | spaces.MultiBinary, value: Any, name: str) -> np.ndarray:
    given = np.array(value)
    if given.shape != space.shape or given.dtype.kind not in "iub":
        raise ValueError(f"{name} is {_kind(value)} of shape {given.shape}, its space says {space}")
    cast = given.astype(space.dtype)
    if not space.contains(cast):
        raise ValueError(f"{name} is {_shown(given)}, outside {space}")
    return cast


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{name} is {_kind(value)}, its space says a text")
    return value


def _kind(value: Any) -> str:
    return type(value).__name__


def _shown(value: np.ndarray) -> str:
    text = " ".join(str(value).split())
    return text if len(text) < 80 else f"{text[:80]}..."
