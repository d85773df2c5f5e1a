"""PPO that never leaves imagination, scored for real."""

from __future__ import annotations

import pytest
import torch
from rich.console import Console

from benchmarks.suites.sb3.dreamers import DREAMERS, Dream
from benchmarks.suites.sb3.imagined import dream_rows
from nextlat_rl.world_model import WorldModel
from tests.helpers.tiny import cartpole_model


def test_a_dreamer_is_scored_on_the_beliefs_it_dreamt_and_on_the_trunks() -> None:
    world_model = WorldModel(cartpole_model(), "CartPole-v1")
    starts = torch.randn(5, 16, generator=torch.Generator().manual_seed(0))
    task = Dream("CartPole-v1", horizon=6, steps=100)
    carried, exact = dream_rows(world_model, starts, task, DREAMERS[0], False, 0, True, Console(quiet=True))
    assert exact["agent"] == f"{carried['agent']}, by the trunk"
    for row in (carried, exact):
        assert row["new_real_steps"] == 0 < row["imagined_steps"]
        assert row["return_ci_low"] <= row["return_mean"] <= row["return_ci_high"]
        assert 6 >= row["real_return_same_horizon"] <= row["return_mean"]  # CartPole pays 1 a step
        assert row["imagined_gap"] == pytest.approx(row["imagined_return"] - row["real_return_same_horizon"])
    assert exact["imagined_return"] == carried["imagined_return"]
    assert exact["return_mean"] != carried["return_mean"]  # an untrained model's dynamics do not follow its trunk
