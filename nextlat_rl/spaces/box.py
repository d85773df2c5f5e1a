"""Observation vectors: Box of floats or integers, each number's change under a Gaussian."""

import math
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor, nn

from nextlat_rl.spaces.codec import LARGEST_VECTOR, Role, mlp
from nextlat_rl.spaces.distributions import full_precision, gaussian_kl, gaussian_log_prob, gaussian_sample, soft_clamp
from nextlat_rl.spaces.numeric import NumericCodec

_CHUNK = 65_536
_LOG_STD = (-3.0, 2.0)  # of a number, in units of its spread: what models predict that were trained before changes
_CHANGE_LOG_STD = (-6.0, 2.0)  # of a change, in units of the spread of changes
_SMALLEST_STD = 1e-6
_SMALLEST_CHANGE = 1e-3  # of a number's spread; changes that never vary have no scale of their own
_CLIP = 10.0
_AT_BOUND = 1e-5  # of a spread: rounding when a number is stored
_TURN = 2 * math.pi


class BoxCodec(NumericCodec):
    """Box of d numbers, normalised by the data's mean and standard deviation, one Gaussian per number.

    Where the statistics have the changes from step to step, the Gaussian is of the change, in units of the spread of
    changes (as in MBPO, arXiv 1906.08253). Numbers that are bounded stay within their bounds: what would fall outside
    is drawn as the bound. Angles, whose bounds are a full turn apart, wrap around instead.

    Parameters are `[mean, log-std]`, `P = 2d`, in normalised units; the log-std is raw where changes are not known.
    """

    roles: ClassVar[tuple[Role, ...]] = ("observation",)
    mean: Tensor
    std: Tensor
    change_mean: Tensor
    change_std: Tensor
    low: Tensor
    high: Tensor
    turn: Tensor

    def __init__(self, space: gym.Space[Any], width: int, statistics: dict[str, Any], features: int = 0) -> None:
        super().__init__(space, width, statistics, features)
        assert isinstance(space, gym.spaces.Box)
        self.num_uniforms = int(np.prod(self.storage_shape))
        self.relative = "change_std" in statistics
        mean, std, change_mean, change_std = (
            torch.tensor(statistics.get(name, [default] * self.num_uniforms), dtype=torch.float32)
            for name, default in (("mean", 0.0), ("std", 1.0), ("change_mean", 0.0), ("change_std", 0.0))
        )
        # A number that never changes in the data has no scale; dividing by its tiny std would blow up the first change.
        std = torch.where(std < _SMALLEST_STD, 1.0, std)
        buffers = {"mean": mean, "std": std, "change_mean": change_mean / std}
        buffers["change_std"] = (change_std / std).clamp_min(_SMALLEST_CHANGE)
        with np.errstate(over="ignore"):  # bounds beyond float32 are none
            low, high = (torch.from_numpy(b.reshape(-1).astype(np.float32)) for b in (space.low, space.high))
        buffers["low"], buffers["high"] = (low - mean) / std, (high - mean) / std
        buffers["turn"] = torch.where((high - low - _TURN).abs() < 1e-3, _TURN / std, torch.inf)
        for name, value in buffers.items():
            self.register_buffer(name, value, persistent=False)
        self.embedding = mlp(self.num_uniforms, width)
        self.gaussian = nn.Linear(self.features, 2 * self.num_uniforms)

    @classmethod
    def handles(cls, space: gym.Space[Any], role: Role) -> bool:
        """Vectors and matrices of any size; with more axes, up to 4096 numbers."""
        shape = space.shape or ()
        return super().handles(space, role) and (len(shape) <= 2 or bool(np.prod(shape) <= LARGEST_VECTOR))

    @classmethod
    def measure(cls, space: gym.Space[Any], stored: np.ndarray) -> dict[str, Any]:
        """{"mean": [d], "std": [d]} of stored data `[N, *storage_shape]`, read in chunks."""
        mean, std = _moments(stored.reshape(len(stored), -1))
        return {"mean": mean, "std": std}

    @classmethod
    def measure_changes(cls, space: gym.Space[Any], before: np.ndarray, after: np.ndarray) -> dict[str, Any]:
        """{"change_mean": [d], "change_std": [d]} of pairs of successive stored rows `[N, *storage_shape]`."""
        assert isinstance(space, gym.spaces.Box)
        change = (after.astype(np.float64) - before).reshape(len(before), -1)
        with np.errstate(over="ignore"):
            turn = np.abs(space.high.astype(np.float64) - space.low - _TURN).reshape(-1) < 1e-3
        change[:, turn] = (change[:, turn] + math.pi) % _TURN - math.pi
        mean, std = _moments(change)
        return {"change_mean": mean, "change_std": std}

    def embed(self, x: Tensor) -> Tensor:
        """MLP of the normalised numbers, clipped to +-10."""
        return self.embedding(self.normalised(x).clamp(-_CLIP, _CLIP))

    def head(self, features: Tensor) -> Tensor:
        """Means and raw log-stds; of changes in their own units, for `after_change`."""
        return full_precision(self.gaussian(features))

    def after_change(self, parameters: Tensor, before: Tensor) -> Tensor:
        """Parameters of the numbers after a step, from `head`'s and the normalised numbers before it, `[*batch, d]`."""
        change, raw = parameters.chunk(2, dim=-1)
        mean = before + self.change_mean + self.change_std * change
        return torch.cat((mean, self.change_std.log() + soft_clamp(raw, *_CHANGE_LOG_STD)), dim=-1)

    def log_prob(self, parameters: Tensor, x: Tensor) -> Tensor:
        """Log-density in normalised units, summed over the numbers; at a bound the log-probability to be there."""
        mean, log_std = self._split(parameters)
        value = self.normalised(x)
        density = gaussian_log_prob(self._turned(value, mean), mean, log_std)
        if not self.relative:
            return density.sum(-1)
        z = (value - mean) * torch.exp(-log_std)
        bounded = self.turn.isinf()
        density = torch.where(bounded & (value <= self.low + _AT_BOUND), torch.special.log_ndtr(z), density)
        return torch.where(bounded & (value >= self.high - _AT_BOUND), torch.special.log_ndtr(-z), density).sum(-1)

    def loss(self, parameters: Tensor, x: Tensor) -> Tensor:
        """Beta-NLL with beta = 0.5 (Seitzer et al. 2022, arXiv 2203.09168): each number's NLL times its own std.

        The gradient of a plain NLL grows with the inverse variance, so in an environment that is easy to predict it
        would dominate all other losses: on Pendulum it is a thousand times the policy's.
        """
        mean, log_std = self._split(parameters)
        value = self._turned(self.normalised(x), mean)
        unit = self.change_std if self.relative else 1.0
        weight = log_std.detach().exp() / unit
        return -(weight * gaussian_log_prob(value, mean, log_std)).sum(-1)

    def mode(self, parameters: Tensor) -> Tensor:
        """The mean, within the bounds."""
        return self._drawn(self._split(parameters)[0])

    def sample(self, parameters: Tensor, uniform: Tensor) -> Tensor:
        """Quantiles, within the bounds where changes are predicted; else `decode` clips them."""
        return self._drawn(gaussian_sample(*self._split(parameters), uniform))

    def kl(self, p: Tensor, q: Tensor) -> Tensor:
        """Sum of the divergences of the numbers."""
        return gaussian_kl(*self._split(p), *self._split(q)).sum(-1)

    def normalised(self, x: Tensor) -> Tensor:
        """Stored numbers in units of their spread, `[*batch, d]`."""
        return (self._flat(x).to(self.mean.dtype) - self.mean) / self.std

    def _drawn(self, value: Tensor) -> Tensor:
        """Normalised numbers `[*batch, d]` to stored ones."""
        if self.relative:
            wrapped = self.low + torch.remainder(value - self.low, self.turn)
            value = torch.where(self.turn.isinf(), torch.maximum(torch.minimum(value, self.high), self.low), wrapped)
        return self._as_stored(value * self.std + self.mean)

    def _turned(self, value: Tensor, mean: Tensor) -> Tensor:
        """Normalised numbers, angles by whole turns nearest to `mean`."""
        if not self.relative:
            return value
        turns = torch.round((value - mean) / self.turn)
        return torch.where(self.turn.isinf(), value, value - turns * torch.where(self.turn.isinf(), 0.0, self.turn))

    def _split(self, parameters: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-std, `[*batch, d]` each."""
        mean, log_std = parameters.chunk(2, dim=-1)
        return mean, log_std if self.relative else soft_clamp(log_std, *_LOG_STD)


CODECS = (BoxCodec,)


def _moments(rows: np.ndarray) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of the columns of `[N, d]`, read in chunks."""
    chunks = range(0, len(rows), _CHUNK)
    mean = sum(rows[i : i + _CHUNK].sum(0, dtype=np.float64) for i in chunks) / len(rows)
    variance = sum(np.square(rows[i : i + _CHUNK] - mean).sum(0) for i in chunks) / len(rows)
    return mean.tolist(), np.sqrt(variance).tolist()
