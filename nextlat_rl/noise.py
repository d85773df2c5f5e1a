"""Counter-based random numbers: what is drawn depends on its key, never on call order or on batching."""

from __future__ import annotations

import torch
from torch import Tensor

_GOLDEN = -0x61C8864680B583EB  # 0x9E3779B97F4A7C15 as a signed 64-bit integer


def _mix(x: Tensor) -> Tensor:
    """The splitmix64 finaliser on int64, with wrap-around multiplication and logical shifts."""
    x = (x ^ ((x >> 30) & 0x3FFFFFFFF)) * -0x40A7B892E31B1A47
    x = (x ^ ((x >> 27) & 0x1FFFFFFFFF)) * -0x6B2FB644ECCEEE15
    return x ^ ((x >> 31) & 0x1FFFFFFFF)


def uniform(seed: int, stream: Tensor, step: Tensor, count: int) -> Tensor:
    """Uniforms in [0, 1), `[B, count]` float32, a pure function of its arguments.

    Args:
        seed: any integer.
        stream: `[B]` int64, what the row is (an episode, an environment).
        step: `[B]` int64, the time within it.
        count: how many numbers each row needs.

    """
    key = _mix(_mix(stream + _mix(torch.full_like(stream, seed) + _GOLDEN)) + step * _GOLDEN)
    counter = torch.arange(1, count + 1, device=stream.device) * _GOLDEN
    bits = _mix(key[:, None] + counter)
    return ((bits >> 40) & 0xFFFFFF).to(torch.float32) * 2.0**-24
