"""Means with confidence intervals, by scipy."""

from collections.abc import Callable, Sequence

import numpy as np
from scipy import stats

Statistic = Callable[..., np.ndarray]
"""Statistic of `values [N]`, or of many samples along `axis`."""

_BATCH = 200  # resamples in memory at a time


def interquartile_mean(values: np.ndarray, axis: int = -1) -> np.ndarray:
    """Mean of the middle half along `axis`, as in rliable (arXiv 2108.13264)."""
    return stats.trim_mean(values, 0.25, axis=axis)


def bootstrap_interval(
    values: Sequence[float], level: float = 0.95, resamples: int = 2000, statistic: Statistic = np.mean
) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean, or of another statistic; the same values give the same interval.

    A single value is its own interval.
    """
    sample = np.asarray(values, dtype=np.float64)
    if sample.size < 2:
        return float(statistic(sample)), float(statistic(sample))
    low, high = stats.bootstrap(
        (sample,),
        statistic,
        n_resamples=resamples,
        batch=_BATCH,
        confidence_level=level,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return float(low), float(high)


def seeds_interval(means: Sequence[float]) -> tuple[float, float] | None:
    """95% interval by Student's t over the mean scores of a few training seeds; None for fewer than two of them."""
    if len(means) < 2:
        return None
    middle, half = float(np.mean(means)), float(stats.t.ppf(0.975, len(means) - 1) * stats.sem(means))
    return middle - half, middle + half
