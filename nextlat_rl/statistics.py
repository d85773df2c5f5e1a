"""Means with confidence intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np


def mean(values: np.ndarray) -> float:
    """Plain mean."""
    return float(values.mean())


def interquartile_mean(values: np.ndarray) -> float:
    """Mean of the middle half, as in rliable (arXiv 2108.13264): `n // 4` of the n values are cut off at either end."""
    cut = len(values) // 4
    return float(np.sort(values)[cut : len(values) - cut].mean())


def bootstrap_interval(
    values: Sequence[float],
    level: float = 0.95,
    resamples: int = 2000,
    statistic: Callable[[np.ndarray], float] = mean,
) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean, or another statistic; the same values give the same interval."""
    sample = np.asarray(values, dtype=np.float64)
    if sample.size < 2:
        return statistic(sample), statistic(sample)
    rng = np.random.default_rng(0)
    found = np.array([statistic(sample[rng.integers(sample.size, size=sample.size)]) for _ in range(resamples)])
    low, high = np.quantile(found, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


# 97.5% quantiles of Student's t with 1 to 9 degrees of freedom.
_T = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)


def seeds_interval(means: Sequence[float]) -> tuple[float, float] | None:
    """95% Student interval over the mean scores of a few training seeds; None for fewer than two of them."""
    sample = np.asarray(means, dtype=np.float64)
    if sample.size < 2:
        return None
    quantile = _T[sample.size - 2] if sample.size - 2 < len(_T) else 1.96
    half = quantile * float(sample.std(ddof=1)) / sample.size**0.5
    return float(sample.mean()) - half, float(sample.mean()) + half
