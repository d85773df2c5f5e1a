"""Codecs: how each part of an observation, an action or a reward is stored, embedded, predicted and sampled."""

from nextlat_rl.spaces.codec import Codec
from nextlat_rl.spaces.registry import build_codec, codec_class
from nextlat_rl.spaces.scalar import ScalarCodec, build_scalar, reward_statistics, reward_support, scalar_statistics
from nextlat_rl.spaces.tree import flatten, flatten_list, leaves, unflatten

__all__ = [
    "Codec",
    "ScalarCodec",
    "build_codec",
    "build_scalar",
    "codec_class",
    "flatten",
    "flatten_list",
    "leaves",
    "reward_statistics",
    "reward_support",
    "scalar_statistics",
    "unflatten",
]
