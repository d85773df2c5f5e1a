"""Counter-based random numbers: a draw depends on its key only, not on call order or batching."""

from typing import Any

import torch
from torch import Tensor

_GOLDEN = -0x61C8864680B583EB  # 0x9E3779B97F4A7C15 as a signed 64-bit integer


def _mix(x: Any) -> Any:
    """The splitmix64 finaliser on int64, with wrap-around multiplication and logical shifts."""
    x = (x ^ ((x >> 30) & 0x3FFFFFFFF)) * -0x40A7B892E31B1A47
    x = (x ^ ((x >> 27) & 0x1FFFFFFFFF)) * -0x6B2FB644ECCEEE15
    return x ^ ((x >> 31) & 0x1FFFFFFFF)


def uniform(seed: int, stream: Tensor, step: Tensor, count: int) -> Tensor:
    """Uniforms in [0, 1), `[B, count]` float32, a pure function of its arguments.

    Args:
        seed: any 64-bit integer.
        stream: `[B]` int64, key of the row (an episode, an environment).
        step: `[B]` int64, time within it.
        count: numbers for each row.
    """
    counter = torch.arange(1, count + 1, device=stream.device)
    if stream.device.type != "cpu":
        return _unit(_bits(seed, stream, step, counter))
    # The same arithmetic in NumPy, whose calls cost a tenth of torch's: a decision draws only a few numbers.
    return _unit(torch.from_numpy(_bits(seed, stream.numpy(), step.numpy(), counter.numpy())))


def _bits(seed: int, stream: Any, step: Any, counter: Any) -> Any:
    """24 random bits for each row and count, of int64 tensors or arrays."""
    key = _mix(_mix(stream + _mix(stream * 0 + seed + _GOLDEN)) + step * _GOLDEN)
    return (_mix(key[:, None] + counter * _GOLDEN) >> 40) & 0xFFFFFF


def _unit(bits: Tensor) -> Tensor:
    return bits.to(torch.float32) * 2.0**-24
