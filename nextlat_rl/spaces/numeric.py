"""What the codecs of Box spaces share: numbers stored as float32."""

from typing import Any, ClassVar

import gymnasium as gym
import numpy as np

from nextlat_rl.errors import UserError
from nextlat_rl.spaces.codec import Codec, Storage, as_rows, elements


class NumericCodec(Codec):
    """A Box, stored as float32: float64 values are rounded to it, and so are integers above 2**24."""

    space_type: ClassVar[type[gym.Space[Any]]] = gym.spaces.Box

    @classmethod
    def storage(cls, space: gym.Space[Any]) -> Storage:
        """Float32 in the shape of the space."""
        return np.dtype(np.float32), tuple(space.shape or ())

    @classmethod
    def encode(cls, space: gym.Space[Any], values: Any) -> np.ndarray:
        """Numbers as float32.

        Raises:
            UserError: a number is not finite in float32.
        """
        with np.errstate(over="ignore"):
            stored = as_rows(space, values).astype(np.float32)
        if not np.isfinite(stored).all():
            raise UserError(f"values of {space} are not finite in float32: remove NaN, inf and numbers above 3e38")
        return stored

    @classmethod
    def decode(cls, space: gym.Space[Any], stored: np.ndarray) -> list[Any]:
        """Numbers rounded for an integer space, clipped to the bounds, in the type of the space."""
        assert isinstance(space, gym.spaces.Box)
        numbers = stored.astype(np.float64)
        if np.issubdtype(space.dtype, np.integer):
            numbers = np.rint(numbers)
        inside = np.clip(numbers, space.low.astype(np.float64), space.high.astype(np.float64))
        with np.errstate(invalid="ignore"):
            cast = inside.astype(space.dtype)
        # The bounds of a 64-bit integer space are not float64 numbers: take them as they are.
        return elements(np.where(numbers >= space.high, space.high, np.where(numbers <= space.low, space.low, cast)))
