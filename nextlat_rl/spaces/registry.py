"""Which codec handles which space."""

from typing import Any, Literal

import gymnasium as gym
import numpy as np

from nextlat_rl.errors import UserError
from nextlat_rl.spaces.binned import BinnedCodec
from nextlat_rl.spaces.box import BoxCodec
from nextlat_rl.spaces.categorical import DiscreteCodec, MultiBinaryCodec, MultiDiscreteCodec, SymbolicGridCodec
from nextlat_rl.spaces.codec import Codec
from nextlat_rl.spaces.image import SMALLEST, ImageCodec, is_image
from nextlat_rl.spaces.text import MAX_LENGTH, TextCodec

Role = Literal["observation", "action"]

_LARGEST_VECTOR = 4096
_SUPPORTED = {
    "observation": "Discrete, MultiDiscrete, MultiBinary, Box and Text, and Dict and Tuple of these (see leaves)",
    "action": "Discrete, MultiDiscrete, MultiBinary and Box",
}


def codec_class(space: gym.Space[Any], role: Role = "observation") -> type[Codec]:
    """Codec of a leaf of the observation space, or of the action space.

    Raises:
        UserError: the space is not supported.
    """
    found = _categorical_class(space)
    if found is None and isinstance(space, gym.spaces.Box):
        found = BinnedCodec if role == "action" else _box_class(space)
    if found is None and isinstance(space, gym.spaces.Text) and role == "observation":
        found = TextCodec if space.min_length <= MAX_LENGTH else None
    if found is None or 0 in (space.shape or ()):
        raise UserError(f"{role} space {space} is not supported: use {_SUPPORTED[role]}")
    return found


def build_codec(space: gym.Space[Any], width: int, statistics: dict[str, Any], role: Role = "observation") -> Codec:
    """Codec of a leaf of the observation space, or of the action space, from the statistics that it measured.

    Raises:
        UserError: the space is not supported, or the statistics lack what it needs.
    """
    return codec_class(space, role)(space, width, statistics)


def _categorical_class(space: gym.Space[Any]) -> type[Codec] | None:
    if isinstance(space, gym.spaces.Discrete):
        return DiscreteCodec
    if isinstance(space, gym.spaces.MultiDiscrete):
        return MultiDiscreteCodec
    return MultiBinaryCodec if isinstance(space, gym.spaces.MultiBinary) else None


def _box_class(space: gym.spaces.Box) -> type[Codec] | None:
    shape = space.shape
    if space.dtype == np.uint8 and len(shape) == 3 and shape[2] == 3 and max(shape) < SMALLEST:
        return SymbolicGridCodec
    if is_image(space):
        return ImageCodec
    vector = len(shape) <= 2 or np.prod(shape) <= _LARGEST_VECTOR
    return BoxCodec if vector else None
