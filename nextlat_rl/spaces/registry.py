"""Finds the codec of a space: the modules of this package list their codecs in `CODECS`."""

from functools import lru_cache
from typing import Any

import gymnasium as gym

from nextlat_rl.errors import UserError
from nextlat_rl.registry import Registry
from nextlat_rl.spaces.codec import Codec, Role

CODECS = Registry(
    "nextlat_rl.spaces",
    "codec",
    "CODECS",
    skip=frozenset({"codec", "distributions", "numeric", "registry", "saved", "scalar", "tree"}),
)


@lru_cache
def codecs() -> list[type[Codec]]:
    """The codecs of all modules of this package, those of higher priority first."""
    found: list[type[Codec]] = [codec for name in CODECS.names() for codec in CODECS.load(name)]
    return sorted(found, key=lambda codec: -codec.priority)


def codec_class(space: gym.Space[Any], role: Role = "observation") -> type[Codec]:
    """Codec of a leaf of the observation space, or of the action space.

    Raises:
        UserError: no codec handles the space.
    """
    if 0 not in (space.shape or ()):
        for codec in codecs():
            if codec.handles(space, role):
                return codec
    kinds = sorted({codec.space_type.__name__ for codec in codecs() if role in codec.roles})
    nested = ", and Dict and Tuple of these (see leaves)" if role == "observation" else ""
    raise UserError(f"{role} space {space} is not supported: use {', '.join(kinds)}{nested}")


def build_codec(
    space: gym.Space[Any], width: int, statistics: dict[str, Any], role: Role = "observation", features: int = 0
) -> Codec:
    """Codec of a leaf of the observation space, or of the action space, from the statistics that it measured.

    Its embeddings are `[*B, width]`; its head reads `[*B, features]`, by default of the same width.

    Raises:
        UserError: the space is not supported, or the statistics lack what it needs.
    """
    return codec_class(space, role)(space, width, statistics, features)
