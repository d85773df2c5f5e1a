"""Distribution arithmetic shared by the codecs. Plain functions of tensors; no global random state."""

import math
from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

# Largest factor below one that stays below one when multiplied in float32 with any total.
_BELOW_ONE = 1.0 - 2.0**-23
_EDGE = 1e-6
_MANY = 8192  # draws; with more, arithmetic costs more than dispatching kernels


def full_precision(parameters: Tensor) -> Tensor:
    """Parameters in at least float32: under autocast a head gives bfloat16, too coarse for log-probabilities."""
    return parameters.to(torch.promote_types(parameters.dtype, torch.float32))


def inverse_cdf(logits: Tensor, uniform: Tensor, dim: int = -1) -> Tensor:
    """Class index at `uniform` of the categorical along `dim`; classes of probability 0 are never returned.

    Args:
        logits: `[*batch]` with the classes along `dim`.
        uniform: the same shape without `dim`, in [0, 1).
    """
    cumulative = logits.to(uniform.dtype).softmax(dim).cumsum(dim)
    # Rounding can leave the last entry below one: scale the uniform so that it never falls behind the last class.
    threshold = uniform.clamp(max=_BELOW_ONE) * cumulative.select(dim, -1)
    if cumulative.shape[dim] >= cumulative.shape[-1] or threshold.numel() < _MANY:
        return (cumulative <= threshold.unsqueeze(dim)).sum(dim)
    # Few classes, many fields: slice by slice it takes less time than a sum along an axis that is not the last.
    index = torch.zeros_like(threshold, dtype=torch.int32)
    for k in range(cumulative.shape[dim] - 1):
        index += cumulative.select(dim, k) <= threshold
    return index.long()


def fields_cross_entropy(logits: Tensor, target: Tensor, groups: list[tuple[int, int]]) -> Tensor:
    """Sum over many categorical fields of the cross entropy of each, `[N]`.

    Args:
        logits: `[N, sum(c * m)]`; a group's logits lie together as `[c, m]`.
        target: `[N, sum(m)]` classes.
        groups: (c, m) of each group: m fields of c classes.
    """
    if torch.is_grad_enabled():
        return _FieldsCrossEntropy.apply(logits, target, groups)
    return _cross_entropy(logits, target, groups)[0]  # a trace would call an autograd.Function in Python


def _cross_entropy(logits: Tensor, target: Tensor, groups: list[tuple[int, int]]) -> tuple[Tensor, list[Tensor]]:
    """The sum over the fields `[N]`, and each group's log-sum-exp `[N, m]`."""
    loss, totals = logits.new_zeros(len(logits)), []
    for part, wanted in zip(_grouped(logits, groups), target.split([m for _, m in groups], -1), strict=True):
        total = part.logsumexp(1)
        loss += (total - part.gather(1, wanted.unsqueeze(1)).squeeze(1)).sum(-1)
        totals.append(total)
    return loss, totals


class _FieldsCrossEntropy(torch.autograd.Function):
    """Saves only the logits and each field's log-sum-exp: on a CPU, moving memory takes most of the time."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, target: Tensor, groups: list[tuple[int, int]]) -> Tensor:
        loss, totals = _cross_entropy(logits, target, groups)
        ctx.groups, ctx.sizes = groups, [m for _, m in groups]
        ctx.save_for_backward(logits, target, *totals)
        return loss

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None, None]:
        logits, target, *totals = ctx.saved_tensors
        gradient = torch.empty_like(logits)
        pairs = zip(_grouped(gradient, ctx.groups), _grouped(logits, ctx.groups), totals, strict=True)
        for (into, part, total), wanted in zip(pairs, target.split(ctx.sizes, -1), strict=True):
            torch.sub(part, total.unsqueeze(1), out=into)
            into.exp_()
            into.scatter_add_(1, wanted.unsqueeze(1), into.new_full((), -1.0).expand(wanted.unsqueeze(1).shape))
        return gradient.mul_(upstream.unsqueeze(-1)), None, None


def _grouped(logits: Tensor, groups: list[tuple[int, int]]) -> Iterator[Tensor]:
    """Views `[N, c, m]` of the groups of `logits: [N, sum(c * m)]`."""
    parts = logits.split([c * m for c, m in groups], -1)
    for part, (c, m) in zip(parts, groups, strict=True):
        yield part.unflatten(-1, (c, m))


def categorical_kl(p: Tensor, q: Tensor, dim: int = -1) -> Tensor:
    """KL(p || q) of categoricals given as logits with the classes along `dim`, which is summed away."""
    log_p, log_q = p.log_softmax(dim), q.log_softmax(dim)
    return (log_p.exp() * (log_p - log_q)).sum(dim)


def two_hot(x: Tensor, centres: Tensor) -> tuple[Tensor, Tensor]:
    """Lower neighbour and weight of the upper neighbour, both `[*batch]`, of x `[*batch]` among sorted centres `[n]`.

    Values outside the centres count as the outermost centre.
    """
    lower = torch.bucketize(x.contiguous(), centres[1:-1], right=True)
    start, stop = centres[lower], centres[lower + 1]
    return lower, ((x - start) / (stop - start)).clamp(0.0, 1.0)


def two_hot_log_prob(logits: Tensor, x: Tensor, centres: Tensor) -> Tensor:
    """Negative cross entropy `[*batch]` of logits `[*batch, n]` with the two-hot target of x `[*batch]`."""
    lower, weight = two_hot(x, centres)
    neighbours = torch.stack([lower, lower + 1], dim=-1)
    log_p = logits.log_softmax(-1).gather(-1, neighbours)
    return torch.lerp(log_p[..., 0], log_p[..., 1], weight.to(log_p.dtype))


def local_centroid(logits: Tensor, centres: Tensor, around: Tensor | None = None) -> Tensor:
    """Mean `[*batch]` over a class of logits `[*batch, n]` (`around: [*batch]`, or the likeliest) and its neighbours.

    It undoes the spreading of the two-hot target: the value of a deterministic target is returned exactly.
    """
    count = logits.shape[-1]
    middle = logits.argmax(-1) if around is None else around
    window = middle.unsqueeze(-1) + torch.arange(-1, 2, device=logits.device)
    inside = (window >= 0) & (window < count)
    window = window.clamp(0, count - 1)
    weights = logits.softmax(-1).gather(-1, window) * inside
    return (weights * centres[window]).sum(-1) / weights.sum(-1)


def soft_clamp(x: Tensor, low: float, high: float) -> Tensor:
    """Close to x between low and high, levelling off (gradient never exactly 0) outside, up to softplus tails."""
    x = high - F.softplus(high - x)
    return low + F.softplus(x - low)


def gaussian_log_prob(x: Tensor, mean: Tensor, log_std: Tensor) -> Tensor:
    """Elementwise log-density of a normal."""
    z = (x - mean) * torch.exp(-log_std)
    return -0.5 * z.square() - log_std - 0.5 * math.log(2 * math.pi)


def gaussian_sample(mean: Tensor, log_std: Tensor, uniform: Tensor) -> Tensor:
    """Elementwise quantile; the outer 1e-6 on either side is cut off to stay finite."""
    return mean + log_std.exp() * torch.special.ndtri(uniform.clamp(_EDGE, 1.0 - _EDGE))


def gaussian_kl(mean_p: Tensor, log_std_p: Tensor, mean_q: Tensor, log_std_q: Tensor) -> Tensor:
    """Elementwise KL(p || q) of two normals."""
    ratio = 2.0 * (log_std_p - log_std_q)
    distance = (mean_p - mean_q) * torch.exp(-log_std_q)
    return 0.5 * (ratio.exp() + distance.square() - 1.0 - ratio)
