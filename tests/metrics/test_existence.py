"""Observations are looked up in the data: by their hash where they are discrete, by their distance where not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nextlat_rl.metrics.existence import existence
from nextlat_rl.metrics.return_gap import cut_returns, return_gap
from nextlat_rl.metrics.trajectories import Trajectories
from tests.helpers.sequences import walks


def test_the_share_that_exists_is_counted_over_all_leaves_together() -> None:
    data = {"a": np.array([0, 1, 1]), "b": np.array([[0, 2], [1, 2], [3, 3]], np.uint8)}
    base = walks(1, 4, 0)
    real = replace(
        base,
        observation={
            "a": np.array([[0, 0, 1, 1, 0]]),
            "b": np.array([[[9, 9], [0, 2], [1, 2], [3, 3], [1, 2]]], np.uint8),
        },
    )
    imagined = replace(real, length=np.array([2]))
    found = existence(data, real, imagined, {"a": True, "b": True})
    assert found.share_real == 0.75  # the last is in the data only leaf by leaf
    assert found.share == 1.0
    assert found.distance is None


def test_distances_are_measured_in_standard_deviations() -> None:
    rng = np.random.default_rng(0)
    data = {"v": np.stack([rng.permutation(1000), 5.0 * rng.permutation(1000)], axis=1)}
    steps = 100

    def moved(by: float) -> Trajectories:
        rows = data["v"][: steps + 1] + np.array([0, by * data["v"][:, 1].std()])
        return replace(walks(1, steps, 0), observation={"v": rows[None]})

    found = existence(data, moved(0), moved(100), {"v": False})
    assert found.distance_real == pytest.approx(0, abs=1e-9)
    assert found.distance == pytest.approx(100 / np.sqrt(2), rel=0.05)
    assert found.share is None


def test_dreams_that_pay_what_no_episode_pays_are_counted() -> None:
    real, data = np.array([0.0, 1.0]), np.array([-1.0, 0.5])
    found = return_gap(real, np.array([0.5, 1.01, 1.9, -3.0]), data)
    assert (found.low, found.high, found.impossible) == (-1.0, 1.0, 2)


def test_returns_of_the_data_are_cut_at_the_horizon() -> None:
    reward = np.array([1.0, 2.0, 3.0, 0.0, 5.0, 0.0])  # three steps, one step
    assert cut_returns(reward, np.array([0, 4, 6]), 2).tolist() == [3.0, 5.0]
    assert cut_returns(reward, np.array([0, 4, 6]), 9).tolist() == [6.0, 5.0]
