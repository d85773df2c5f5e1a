import numpy as np
import pytest

from nextlat_rl.statistics import bootstrap_interval, seeds_interval


def test_seeds_interval_is_students() -> None:
    low, high = seeds_interval([1.0, 2.0, 3.0]) or (0.0, 0.0)
    assert (low, high) == pytest.approx((2 - 4.303 / 3**0.5, 2 + 4.303 / 3**0.5))
    assert seeds_interval([1.0]) is None


def test_seeds_interval_covers_the_mean_19_times_in_20() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for sample in rng.normal(size=(2000, 4)):
        low, high = seeds_interval(sample.tolist()) or (0.0, 0.0)
        covered += low <= 0 <= high
    assert covered / 2000 == pytest.approx(0.95, abs=0.015)


def test_bootstrap_interval_holds_the_mean_and_is_repeatable() -> None:
    values = [0.0, 1.0, 1.0, 0.0, 1.0] * 20
    low, high = bootstrap_interval(values)
    assert low < np.mean(values) < high
    assert (low, high) == bootstrap_interval(values)
