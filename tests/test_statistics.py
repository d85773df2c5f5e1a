import numpy as np
import pytest

from nextlat_rl.statistics import bootstrap_interval, interquartile_mean, seeds_interval


def test_seeds_interval_is_students() -> None:
    low, high = seeds_interval([1.0, 2.0, 3.0]) or (0.0, 0.0)
    assert (low, high) == pytest.approx((2 - 4.302653 / 3**0.5, 2 + 4.302653 / 3**0.5))
    assert seeds_interval([2.0, 2.0]) == (2.0, 2.0)
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


def test_the_interquartile_mean_is_rliables() -> None:
    # scipy.stats.trim_mean(values, 0.25), which rliable calls.
    assert interquartile_mean(np.array([9.0, 1.0, 2.0])) == 4.0
    assert interquartile_mean(np.array([100.0, 1.0, 2.0, -50.0])) == 1.5
    assert interquartile_mean(np.array([0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 60.0])) == 3.0
    assert interquartile_mean(np.arange(8.0) ** 2) == pytest.approx((4 + 9 + 16 + 25) / 4)


def test_an_outlier_moves_the_interval_of_the_mean_but_not_of_the_interquartile_mean() -> None:
    values = [*np.linspace(0, 1, 19), 1000.0]
    low, high = bootstrap_interval(values, statistic=interquartile_mean)
    assert 0 < low < interquartile_mean(np.array(values)) < high < 1
    assert bootstrap_interval(values)[1] > 50
