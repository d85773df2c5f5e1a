"""Means with confidence intervals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def bootstrap_interval(values: Sequence[float], level: float = 0.95, resamples: int = 2000) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean of `values`; the same values give the same interval."""
    sample = np.asarray(values, dtype=np.float64)
    if sample.size < 2:
        return float(sample.mean()), float(sample.mean())
    rng = np.random.default_rng(0)
    means = np.array([sample[rng.integers(sample.size, size=sample.size)].mean() for _ in range(resamples)])
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
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
