"""Codecs for rewards and values, which have no Gymnasium space but the same methods."""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from nextlat_rl.errors import UserError
from nextlat_rl.spaces.codec import Predictor
from nextlat_rl.spaces.distributions import (
    categorical_kl,
    inverse_cdf,
    local_centroid,
    two_hot,
    two_hot_log_prob,
)

BINS = 63
_MAX_SET = 8
_ZERO_ODDS = 99.0
_NEVER = -20.0  # added to a logit: a probability of 2e-9
_TABLE_STD = 0.3  # small beside an observation's embedding, so that the reward does not dominate it


class ScalarCodec(Predictor):
    """A categorical over sorted centres `[n]` in real units; scalars are tensors `[*batch]`, parameters `[*batch, n]`.

    The head starts with weight 0 and a bias that gives a centre at 0 the probability 0.99 (the rest spread evenly),
    so that a new reward or value head predicts about 0; without a centre at 0 it starts uniform.
    """

    storage_dtype = np.dtype(np.float32)
    storage_shape: tuple[int, ...] = ()
    num_uniforms = 1
    centres: Tensor

    def __init__(self, width: int, centres: list[float], features: int = 0) -> None:
        super().__init__()
        self.width = width
        self.register_buffer("centres", torch.tensor(centres, dtype=torch.float32), persistent=False)
        self.table = nn.Embedding(len(centres), width)
        nn.init.normal_(self.table.weight, std=_TABLE_STD)
        self.logits = nn.Linear(features or width, len(centres))
        nn.init.zeros_(self.logits.weight)
        with torch.no_grad():
            self.logits.bias.copy_((self.centres == 0) * math.log(_ZERO_ODDS * max(len(centres) - 1, 1)))

    def mean(self, parameters: Tensor) -> Tensor:
        """Expectation `[*batch]` in real units."""
        # Not a matrix product, which autocast would run in bfloat16, too coarse for the centres.
        return (parameters.softmax(-1) * self.centres).sum(-1)

    def likeliest_centre(self, parameters: Tensor) -> Tensor:
        """The centre that `sample` draws most often, `[*batch]`; exact where a value is a centre, as 0 always is."""
        return self.centres[parameters.argmax(-1)]

    def sample(self, parameters: Tensor, uniform: Tensor) -> Tensor:
        """Centre `[*batch]` drawn with uniforms `[*batch, 1]` in [0, 1)."""
        return self.centres[inverse_cdf(parameters, uniform.squeeze(-1))]

    def kl(self, p: Tensor, q: Tensor) -> Tensor:
        """KL(p || q) in nats, `[*batch]`."""
        return categorical_kl(p, q)


class TwoHot(ScalarCodec):
    """Symlog-spaced bins; low, high and 0 are centres. A value is the two neighbouring centres in proportion."""

    def embed(self, x: Tensor) -> Tensor:
        """Interpolation between the learned vectors of the two neighbouring centres."""
        lower, weight = two_hot(x.to(self.centres.dtype), self.centres)
        return torch.lerp(self.table(lower), self.table(lower + 1), weight.unsqueeze(-1))

    def log_prob(self, parameters: Tensor, x: Tensor) -> Tensor:
        """Negative cross entropy with the two-hot target; values outside [low, high] count as the bound."""
        return two_hot_log_prob(parameters, x.to(self.centres.dtype), self.centres)

    def mode(self, parameters: Tensor) -> Tensor:
        """The most likely bin, refined to the centroid of it and its neighbours: exact for a deterministic value."""
        return local_centroid(parameters, self.centres)


class FiniteSet(ScalarCodec):
    """A categorical over a few values, exactly. Any other value counts as the nearest of them."""

    def embed(self, x: Tensor) -> Tensor:
        """The learned vector of the value."""
        return self.table(self._nearest(x))

    def log_prob(self, parameters: Tensor, x: Tensor) -> Tensor:
        """Log-probability of the value."""
        return parameters.log_softmax(-1).gather(-1, self._nearest(x).unsqueeze(-1)).squeeze(-1)

    def mode(self, parameters: Tensor) -> Tensor:
        """The most likely value."""
        return self.likeliest_centre(parameters)

    def _nearest(self, x: Tensor) -> Tensor:
        borders = (self.centres[1:] + self.centres[:-1]) / 2
        return torch.bucketize(x.to(borders.dtype).contiguous(), borders)


def scalar_statistics(values: np.ndarray) -> dict[str, Any]:
    """JSON-serialisable statistics of data: a set of at most 8 different values, else a range.

    Raises:
        UserError: no values, or one that is not finite in float32.
    """
    with np.errstate(over="ignore"):
        numbers = np.asarray(values, np.float32).reshape(-1)
    if not len(numbers) or not np.isfinite(numbers).all():
        raise UserError("rewards or values are missing or not finite in float32: correct the data set")
    unique = np.unique(numbers)
    if len(unique) <= _MAX_SET:
        return {"kind": "set", "values": unique.tolist()}
    return {"kind": "twohot", "low": float(unique[0]), "high": float(unique[-1]), "bins": BINS}


def reward_statistics(reward: np.ndarray, ends: np.ndarray) -> dict[str, Any]:
    """`scalar_statistics` of rewards `[N]`, and the range of them while episodes go on and where they end.

    Args:
        reward: `[N]`.
        ends: `[N]` bool, whether the step terminated its episode.

    Raises:
        UserError: see `scalar_statistics`.
    """
    statistics = scalar_statistics(reward)
    for name, chosen in (("going_on", reward[~ends]), ("ending", reward[ends])):
        if len(chosen):
            statistics[name] = [float(chosen.min()), float(chosen.max())]
    return statistics


def reward_support(codec: ScalarCodec, statistics: dict[str, Any]) -> Tensor:
    """What to add to the reward's logits, `[2, P]`: given that the episode goes on, and given that it ends.

    0 where the data has rewards, a large negative number outside of their range: an imagined episode then never gets
    while it goes on what is only paid at its end.
    """
    support = torch.zeros(2, len(codec.centres))
    for row, name in enumerate(("going_on", "ending")):
        if name in statistics:
            low, high = statistics[name]
            outside = (codec.centres < _centre_below(codec.centres, low)) | (
                codec.centres > _centre_above(codec.centres, high)
            )
            support[row, outside] = _NEVER
    return support


def _centre_below(centres: Tensor, value: float) -> Tensor:
    """The largest centre that is not above `value`."""
    tolerance = 1e-6 * (1 + abs(value))
    return centres[(centres <= value + tolerance).sum().clamp_min(1) - 1]


def _centre_above(centres: Tensor, value: float) -> Tensor:
    """The smallest centre that is not below `value`."""
    tolerance = 1e-6 * (1 + abs(value))
    return centres[(centres < value - tolerance).sum().clamp_max(len(centres) - 1)]


def build_scalar(width: int, statistics: dict[str, Any], features: int = 0) -> ScalarCodec:
    """The codec that the statistics (see `scalar_statistics`) ask for; its head reads `features`, by default `width`.

    Raises:
        UserError: unknown kind, or a range without extent.
    """
    if statistics["kind"] == "set":
        return FiniteSet(width, sorted(statistics["values"]), features)
    if statistics["kind"] == "twohot":
        centres = two_hot_centres(statistics["low"], statistics["high"], statistics.get("bins", BINS))
        return TwoHot(width, centres, features)
    raise UserError(f"scalar statistics of kind {statistics['kind']!r}: use 'set' or 'twohot'")


def two_hot_centres(low: float, high: float, bins: int) -> list[float]:
    """`bins` sorted centres, symlog-spaced, with low, high and 0 among them exactly.

    When 0 is outside [low, high], it is an additional centre; the others keep their resolution.

    Raises:
        UserError: low is not below high, or there are fewer than 3 bins.
    """
    if not low < high or bins < 3:
        raise UserError(f"two-hot range [{low}, {high}] with {bins} bins: use low < high and at least 3 bins")
    if low > 0:
        return [0.0, *_symlog_spaced(low, high, bins - 1)]
    if high < 0:
        return [*_symlog_spaced(low, high, bins - 1), 0.0]
    below, above = _symlog(-low), _symlog(high)
    negative = round((bins - 1) * below / (below + above))
    negative = min(max(negative, int(low < 0)), bins - 1 - int(high > 0))
    left = _symlog_spaced(low, 0.0, negative + 1)[:-1] if negative else []
    right = _symlog_spaced(0.0, high, bins - negative)[1:] if high > 0 else []
    return [*left, 0.0, *right]


def _symlog_spaced(low: float, high: float, count: int) -> list[float]:
    spaced = np.linspace(_symlog(low), _symlog(high), count)
    centres = np.sign(spaced) * np.expm1(np.abs(spaced))
    centres[0], centres[-1] = low, high
    return [float(centre) for centre in centres]


def _symlog(x: float) -> float:
    return math.copysign(math.log1p(abs(x)), x)
