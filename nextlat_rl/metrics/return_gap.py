"""Imagined beside real returns, and dreams that return what no episode can."""

from dataclasses import dataclass

import numpy as np

from nextlat_rl.statistics import bootstrap_interval

_TOLERANCE = 0.01  # of the range of the returns observed


@dataclass(frozen=True)
class ReturnGap:
    """Returns of N real episodes and N dreams from the same starts.

    Attributes:
        real: `[N]`.
        imagined: `[N]`.
        interval: 95% bootstrap interval of the imagined mean.
        low: smallest return ever observed, in the data or in `real`.
        high: largest.
        impossible: how many dreams return less or more than that, by more than a hundredth of the range.
    """

    real: np.ndarray
    imagined: np.ndarray
    interval: tuple[float, float]
    low: float
    high: float
    impossible: int


def return_gap(real: np.ndarray, imagined: np.ndarray, data: np.ndarray) -> ReturnGap:
    """Compare real and imagined returns, both `[N]`, also with those of the data's episodes, `[E]`."""
    observed = np.concatenate((real, data))
    low, high = float(observed.min()), float(observed.max())
    slack = _TOLERANCE * (high - low) + 1e-4 * max(abs(low), abs(high))
    beyond = (imagined > high + slack) | (imagined < low - slack)
    return ReturnGap(real, imagined, bootstrap_interval(imagined.tolist()), low, high, int(beyond.sum()))


def cut_returns(reward: np.ndarray, episode_start: np.ndarray, horizon: int) -> np.ndarray:
    """Returns `[E]` over the first `horizon` steps of each episode.

    Args:
        reward: `[N]` of all episodes after each other; each one's last row holds no reward.
        episode_start: `[E + 1]`, as a `Store` has them.
        horizon: steps that count.
    """
    starts, ends = episode_start[:-1], np.minimum(episode_start[:-1] + horizon, episode_start[1:] - 1)
    total = np.concatenate(([0.0], np.cumsum(reward, dtype=np.float64)))
    return total[ends] - total[starts]
