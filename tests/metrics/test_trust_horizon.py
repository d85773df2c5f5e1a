"""A dream that is the world passes at every horizon, one that is noise at none, and what differs late fails late."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nextlat_rl.metrics.trajectories import Trajectories
from nextlat_rl.metrics.trust_horizon import LARGEST_AUC, HorizonTest, TrustTest, trust_test
from nextlat_rl.metrics.two_sample import roc_auc, two_sample_auc
from tests.helpers.sequences import PLACES, action_codec, place_codec, walks

STEPS = 20


def compared(real: Trajectories, imagined: Trajectories, seed: int = 0) -> TrustTest:
    return trust_test(real, imagined, {"place": place_codec()}, action_codec(), seed=seed)


@pytest.mark.parametrize("seed", range(4))
def test_a_model_that_is_the_world_is_trusted_without_limit(seed: int) -> None:
    found = compared(walks(256, STEPS, seed), walks(256, STEPS, 100 + seed), seed)
    assert found.unlimited
    assert found.trust_horizon == STEPS
    assert [test.horizon for test in found.tests] == [1, 2, 3, 5, 8, 12, 20]


def test_noise_is_not_trusted_for_a_step() -> None:
    noise = walks(256, STEPS, 1)
    noise.observation["place"][:, 1:] = np.random.default_rng(0).integers(PLACES - 3, size=(256, STEPS))
    found = compared(walks(256, STEPS, 0), noise)
    assert found.trust_horizon == 0
    assert found.tests[0].auc > 0.7


def test_a_dream_that_goes_wrong_late_is_trusted_until_then() -> None:
    wrong = walks(256, STEPS, 1)
    wrong.reward[:, 8:] += 0.5
    assert compared(walks(256, STEPS, 0), wrong).trust_horizon == 8


def test_dreams_that_end_too_early_are_found_out() -> None:
    ends = walks(256, STEPS, 1)
    length = np.where(np.arange(256) % 2, 3, STEPS)
    ended = np.arange(STEPS) == length[:, None] - 1
    assert compared(walks(256, STEPS, 0), replace(ends, length=length, ended=ended)).trust_horizon == 2


def test_contradictions_of_earlier_steps_count_through_extra_numbers() -> None:
    real, imagined = walks(256, STEPS, 0), walks(256, STEPS, 1)
    wrong = np.zeros((256, STEPS, 1))
    wrong[::2, 12:] = 1
    codecs = {"place": place_codec()}
    found = trust_test(real, imagined, codecs, action_codec(), extra=(np.zeros_like(wrong), wrong))
    assert found.trust_horizon == 12


def test_too_few_pairs_test_nothing() -> None:
    found = compared(walks(8, STEPS, 0), walks(8, STEPS, 1))
    assert found.trust_horizon is None
    assert not found.unlimited


def test_a_later_pass_does_not_make_up_for_a_failure() -> None:
    areas = (0.55, LARGEST_AUC, 0.7, 0.5)
    found = TrustTest([HorizonTest(k, auc, 99) for k, auc in zip((1, 2, 3, 5), areas, strict=True)])
    assert found.trust_horizon == 2


def test_the_area_under_the_curve_is_that_of_its_definition() -> None:
    score = np.array([0.1, 0.4, 0.35, 0.8, 0.4])
    positive = np.array([False, False, True, True, True])
    # 6 pairs: 0.35 > 0.1, 0.8 > both, 0.4 > 0.1, 0.4 ties with 0.4, 0.35 < 0.4.
    assert roc_auc(score, positive) == pytest.approx(4.5 / 6)


def test_a_difference_in_spread_is_found_among_many_columns() -> None:
    rng = np.random.default_rng(0)
    real, imagined = rng.normal(size=(2, 600, 300))
    pair = np.arange(600) // 2
    assert two_sample_auc(real, imagined, pair) < LARGEST_AUC
    imagined[:, 7] *= 4
    assert two_sample_auc(real, imagined, pair) > 0.7


def test_the_same_seed_gives_the_same_area() -> None:
    real, imagined = np.random.default_rng(0).normal(size=(2, 100, 5))
    areas = {two_sample_auc(real, imagined, np.arange(100), seed=3) for _ in range(2)}
    assert len(areas) == 1
