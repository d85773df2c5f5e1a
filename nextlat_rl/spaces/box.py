"""Observation vectors: Box of floats or integers under a diagonal Gaussian."""

from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor, nn

from nextlat_rl.spaces.codec import Role, mlp
from nextlat_rl.spaces.distributions import full_precision, gaussian_kl, gaussian_log_prob, gaussian_sample, soft_clamp
from nextlat_rl.spaces.numeric import NumericCodec

_LARGEST = 4096
_CHUNK = 65_536
_LOG_STD = (-3.0, 2.0)  # the gradients of a sharper density would dominate all other losses
_SMALLEST_STD = 1e-6
_CLIP = 10.0


class BoxCodec(NumericCodec):
    """Box of d numbers, normalised by the data's mean and standard deviation, one Gaussian per number.

    Parameters are `[mean, raw log-std]`, `P = 2d`, in normalised units.
    """

    roles: ClassVar[tuple[Role, ...]] = ("observation",)
    mean: Tensor
    std: Tensor

    def __init__(self, space: gym.Space[Any], width: int, statistics: dict[str, Any]) -> None:
        super().__init__(space, width, statistics)
        self.num_uniforms = int(np.prod(self.storage_shape))
        mean = torch.tensor(statistics.get("mean", [0.0] * self.num_uniforms), dtype=torch.float32)
        std = torch.tensor(statistics.get("std", [1.0] * self.num_uniforms), dtype=torch.float32)
        self.register_buffer("mean", mean, persistent=False)
        # A number that never changes in the data has no scale; dividing by its tiny std would blow up the first change.
        self.register_buffer("std", torch.where(std < _SMALLEST_STD, 1.0, std), persistent=False)
        self.embedding = mlp(self.num_uniforms, width)
        self.gaussian = nn.Linear(width, 2 * self.num_uniforms)

    @classmethod
    def handles(cls, space: gym.Space[Any], role: Role) -> bool:
        """Vectors and matrices of any size; with more axes, up to 4096 numbers."""
        shape = space.shape or ()
        return super().handles(space, role) and (len(shape) <= 2 or bool(np.prod(shape) <= _LARGEST))

    @classmethod
    def measure(cls, space: gym.Space[Any], stored: np.ndarray) -> dict[str, Any]:
        """{"mean": [d], "std": [d]} of stored data `[N, *storage_shape]`, read in chunks."""
        rows = stored.reshape(len(stored), -1)
        chunks = range(0, len(rows), _CHUNK)
        mean = sum(rows[i : i + _CHUNK].sum(0, dtype=np.float64) for i in chunks) / len(rows)
        variance = sum(np.square(rows[i : i + _CHUNK] - mean).sum(0) for i in chunks) / len(rows)
        return {"mean": mean.tolist(), "std": np.sqrt(variance).tolist()}

    def embed(self, x: Tensor) -> Tensor:
        """MLP of the normalised numbers, clipped to +-10."""
        return self.embedding(self._normalised(x).clamp(-_CLIP, _CLIP))

    def head(self, features: Tensor) -> Tensor:
        """Means and raw log-stds."""
        return full_precision(self.gaussian(features))

    def log_prob(self, parameters: Tensor, x: Tensor) -> Tensor:
        """Log-density in normalised units, summed over the numbers."""
        return gaussian_log_prob(self._normalised(x), *self._split(parameters)).sum(-1)

    def loss(self, parameters: Tensor, x: Tensor) -> Tensor:
        """Beta-NLL with beta = 0.5 (Seitzer et al. 2022, arXiv 2203.09168): each number's NLL times its own std.

        The gradient of a plain NLL grows with the inverse variance, so in an environment that is easy to predict it
        would dominate all other losses: on Pendulum it is a thousand times the policy's.
        """
        mean, log_std = self._split(parameters)
        return -(log_std.detach().exp() * gaussian_log_prob(self._normalised(x), mean, log_std)).sum(-1)

    def mode(self, parameters: Tensor) -> Tensor:
        """The mean."""
        return self._as_stored(self._split(parameters)[0] * self.std + self.mean)

    def sample(self, parameters: Tensor, uniform: Tensor) -> Tensor:
        """Quantiles; not clipped to the bounds of the space, which `decode` does."""
        return self._as_stored(gaussian_sample(*self._split(parameters), uniform) * self.std + self.mean)

    def kl(self, p: Tensor, q: Tensor) -> Tensor:
        """Sum of the divergences of the numbers."""
        return gaussian_kl(*self._split(p), *self._split(q)).sum(-1)

    def _normalised(self, x: Tensor) -> Tensor:
        return (self._flat(x).to(self.mean.dtype) - self.mean) / self.std

    def _split(self, parameters: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-std, `[*batch, d]` each."""
        mean, raw = parameters.chunk(2, dim=-1)
        return mean, soft_clamp(raw, *_LOG_STD)


CODECS = (BoxCodec,)
