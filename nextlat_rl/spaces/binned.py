"""Continuous actions: a histogram per dimension."""

from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor, nn

from nextlat_rl.errors import UserError
from nextlat_rl.spaces.codec import Role, mlp
from nextlat_rl.spaces.distributions import (
    categorical_kl,
    inverse_cdf,
    local_centroid,
    two_hot_log_prob,
)
from nextlat_rl.spaces.numeric import NumericCodec

BINS = 41
_HUGE = 1e30  # "no bound" is written as inf or as the largest float


class BinnedCodec(NumericCodec):
    """Box of d actions, each under a histogram of 41 uniform bins whose outermost centres are the bounds.

    A histogram can be multimodal, and saturated actions are values of it. Bounds that the space leaves infinite come
    from the statistics. Parameters are the logits, `P = 41 d`.
    """

    roles: ClassVar[tuple[Role, ...]] = ("action",)
    low: Tensor
    high: Tensor
    centres: Tensor

    def __init__(self, space: gym.Space[Any], width: int, statistics: dict[str, Any], features: int = 0) -> None:
        super().__init__(space, width, statistics, features)
        self.num_uniforms = int(np.prod(self.storage_shape))
        low, high = _bounds(space, statistics)
        self.register_buffer("low", torch.from_numpy(low), persistent=False)
        self.register_buffer("high", torch.from_numpy(high), persistent=False)
        self.register_buffer("centres", torch.linspace(-1.0, 1.0, BINS), persistent=False)
        self.embedding = mlp(self.num_uniforms, width)
        self.logits = nn.Linear(self.features, BINS * self.num_uniforms)

    @classmethod
    def measure(cls, space: gym.Space[Any], stored: np.ndarray) -> dict[str, Any]:
        """{"low": [d], "high": [d]} of stored data `[N, *storage_shape]`; {} when the space has finite bounds."""
        assert isinstance(space, gym.spaces.Box)
        if _bounded(space.low).all() and _bounded(space.high).all():
            return {}
        rows = stored.reshape(len(stored), -1)
        return {"low": rows.min(0).tolist(), "high": rows.max(0).tolist()}

    def embed(self, x: Tensor) -> Tensor:
        """MLP of the actions normalised to [-1, 1]."""
        return self.embedding(self.normalise(x))

    def log_prob(self, parameters: Tensor, x: Tensor) -> Tensor:
        """Negative cross entropy with the two-hot target, summed over dimensions.

        At a centre it is the log-probability of the bin; between centres it interpolates the two neighbours.
        """
        return two_hot_log_prob(self._bins(parameters), self.normalise(x), self.centres).sum(-1)

    def mode(self, parameters: Tensor) -> Tensor:
        """The median bin, refined to the centroid of it and its two neighbours.

        When an action is spread over many bins, the likeliest one is a noisy estimate. The median is not, and unlike
        the mean it does not fall between two modes.
        """
        bins = self._bins(parameters)
        return self.denormalise(
            local_centroid(bins, self.centres, inverse_cdf(bins, torch.full_like(bins[..., 0], 0.5)))
        )

    def sample(self, parameters: Tensor, uniform: Tensor) -> Tensor:
        """Centres of bins drawn with one uniform per dimension."""
        return self.denormalise(self.centres[inverse_cdf(self._bins(parameters), uniform)])

    def kl(self, p: Tensor, q: Tensor) -> Tensor:
        """Sum of the divergences of the histograms."""
        return categorical_kl(self._bins(p), self._bins(q)).sum(-1)

    def _bins(self, parameters: Tensor) -> Tensor:
        """`[*batch, P]` to logits `[*batch, d, 41]`."""
        return parameters.unflatten(-1, (self.num_uniforms, BINS))

    def normalise(self, x: Tensor) -> Tensor:
        """Stored actions to `[*batch, d]` in [-1, 1]."""
        unit = (self._flat(x).to(self.low.dtype) - self.low) / (self.high - self.low)
        return (2.0 * unit - 1.0).clamp(-1.0, 1.0)

    def denormalise(self, normalised: Tensor) -> Tensor:
        """Inverse of `normalise`; exact at the bounds, as `lerp` is."""
        unit = (normalised.to(self.low.dtype) + 1.0) / 2.0
        return self._as_stored(torch.lerp(self.low.expand_as(unit), self.high.expand_as(unit), unit))


CODECS = (BinnedCodec,)


def _bounds(space: gym.Space[Any], statistics: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Bounds `[d]` of the histograms; a dimension without extent gets an extent of one."""
    assert isinstance(space, gym.spaces.Box)
    bounds = []
    for name, bound in (("low", space.low.reshape(-1)), ("high", space.high.reshape(-1))):
        given = _bounded(bound)
        if not given.all() and name not in statistics:
            raise UserError(f"{space} has no finite bounds: give statistics with the low and high of the data")
        measured = np.asarray(statistics.get(name, bound), np.float32)
        bounds.append(np.where(given, bound, measured).astype(np.float32))
    low, high = bounds
    return low, np.where(high > low, high, low + np.float32(1.0))


def _bounded(bound: np.ndarray) -> np.ndarray:
    return np.abs(bound.astype(np.float64)) < _HUGE
