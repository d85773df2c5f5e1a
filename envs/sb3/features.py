"""Observations as the flat vectors or images that Stable-Baselines3 policies read."""

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from nextlat_rl.errors import UserError

IMAGE_SIDE = 36  # smallest image SB3's convolutional network takes
SYMBOLS = (11, 6, 4)  # MiniGrid's object types, colours and states (an agent's state is its direction)


class FeatureWrapper(gym.ObservationWrapper):
    """Observations for an SB3 policy: without Text, discrete parts one-hot, everything else flattened.

    An observation that is a single image stays an image, for SB3's "CnnPolicy". MiniGrid's symbolic image becomes
    one-hot symbols.

    Raises:
        UserError: a part that is no vector, or texts alone.
    """

    def __init__(self, env: gym.Env) -> None:
        super().__init__(env)
        self._source = env.observation_space
        self._symbolic = hasattr(env.unwrapped, "agent_view_size")
        self.is_image = _is_image(self._source)
        if self.is_image:
            return
        size = self._size(self._source)
        if size == 0:
            raise UserError("behaviour 'sb3' reads no texts, and the observations are nothing else; use 'random'")
        self.observation_space = spaces.Box(-np.inf, np.inf, (size,), np.float32)

    def observation(self, observation: Any) -> np.ndarray:
        """[features] float32, or the image itself."""
        return observation if self.is_image else self._flat(self._source, observation)

    def _size(self, space: spaces.Space) -> int:
        """Numbers of the vector that `_flat` makes; no sample is drawn, which very wide bounds do not allow."""
        if isinstance(space, spaces.Dict):
            return sum(map(self._size, space.values()))
        if isinstance(space, spaces.Tuple):
            return sum(map(self._size, space.spaces))
        if isinstance(space, spaces.Text):
            return 0
        if self._is_symbolic(space):
            return int(np.prod(space.shape or ())) // 3 * sum(SYMBOLS)
        if not space.is_np_flattenable:
            raise UserError(f"behaviour 'sb3' cannot read observations of {type(space).__name__} spaces; use 'random'")
        return spaces.flatdim(space)

    def _is_symbolic(self, space: spaces.Space) -> bool:
        return self._symbolic and isinstance(space, spaces.Box) and space.shape[-1:] == (3,)

    def _flat(self, space: spaces.Space, value: Any) -> np.ndarray:
        if isinstance(space, spaces.Dict):
            return _join([self._flat(part, value[name]) for name, part in space.items()])
        if isinstance(space, spaces.Tuple):
            return _join([self._flat(part, item) for part, item in zip(space, value, strict=True)])
        if isinstance(space, spaces.Text):
            return _join([])
        if self._is_symbolic(space):
            return _one_hot_symbols(value)
        flat = np.asarray(spaces.flatten(space, value))
        return flat.astype(np.float32) / 255 if flat.dtype == np.uint8 else flat.astype(np.float32)


def _is_image(space: spaces.Space) -> bool:
    return (
        isinstance(space, spaces.Box)
        and space.dtype == np.uint8
        and len(space.shape) == 3
        and min(sorted(space.shape)[1:]) >= IMAGE_SIDE
    )


def _join(parts: list[np.ndarray]) -> np.ndarray:
    return np.concatenate([np.zeros(0, dtype=np.float32), *parts])


def _one_hot_symbols(image: np.ndarray) -> np.ndarray:
    cells = image.reshape(-1, 3)
    return np.concatenate([np.eye(n, dtype=np.float32)[cells[:, i] % n].ravel() for i, n in enumerate(SYMBOLS)])
