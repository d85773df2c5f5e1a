"""What imagines looks no further than the trust horizon, where that was measured, and at least one step."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from nextlat_rl import ImaginedReplay, ImaginedVecEnv
from nextlat_rl.agents.planning.planner import make_planner
from nextlat_rl.errors import UserError
from nextlat_rl.world_model import WorldModel
from tests.helpers.tiny import cartpole_model, pendulum_model


def cartpole(trust: int | None) -> WorldModel:
    return WorldModel(cartpole_model(), "CartPole-v1", trust_horizon=trust)


@pytest.mark.parametrize(("trust", "steps"), [(None, 8), (0, 1), (1, 1), (5, 5), (50, 8)])
def test_steps_are_cut_at_the_trust_horizon(trust: int | None, steps: int) -> None:
    assert cartpole(trust).trusted(8) == steps
    planner: Any = make_planner(cartpole(trust), "lookahead", depth=8)
    assert planner.config.depth == steps
    assert planner.config.width == 16
    pendulum = WorldModel(pendulum_model(), "Pendulum-v1", trust_horizon=trust)
    assert make_planner(pendulum, "mppi", horizon=8).config.horizon == steps  # type: ignore[union-attr]
    assert make_planner(cartpole(trust), "gumbel", num_simulations=8) is not None


def test_imagined_environments_are_as_long_as_dreams_can_be_trusted() -> None:
    starts = torch.zeros(3, 16)
    endless = cartpole(4)
    with torch.no_grad():
        endless.model.end.weight.zero_()
        endless.model.end.bias.fill_(-30)
    venv = ImaginedVecEnv(endless, 2, starts)
    venv.reset()
    for _ in range(4):
        _, _, done, _ = venv.step(np.zeros(2, int))
    assert done.all()
    assert ImaginedVecEnv(cartpole(0), 2, starts).horizon == 1
    assert ImaginedVecEnv(cartpole(4), 2, starts, horizon=9).horizon == 9
    with pytest.raises(UserError, match=r"horizon=.*nextlat_rl.diagnose checkpoint="):
        ImaginedVecEnv(cartpole(None), 2, starts)


def test_imagined_replay_is_three_steps_long_or_as_long_as_trusted() -> None:
    assert [ImaginedReplay(cartpole(trust)).horizon for trust in (None, 0, 2, 9)] == [3, 1, 2, 3]
    assert ImaginedReplay(cartpole(2), horizon=5).horizon == 5
