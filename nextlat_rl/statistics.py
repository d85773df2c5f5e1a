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
