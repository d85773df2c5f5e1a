"""Promise: the Gumbel tree decides as mctx's `gumbel_muzero_policy` does (recorded by `record_mctx.py`)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from nextlat_rl.agents.planning.planners.gumbel import GumbelConfig, gumbel_tree_search
from tests.helpers.fake_worlds import FakeWorld

CASES = json.loads((Path(__file__).parent / "mctx_reference.json").read_text())["cases"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['simulations']}-simulations")
def test_same_visits_weights_and_actions(case: dict[str, Any]) -> None:
    world = FakeWorld(case["following"], case["reward"], case["discount"])
    world.logits, world.values = torch.tensor(case["logits"]), torch.tensor(case["values"])
    belief = world.at(*range(world.states))
    noise = torch.rand(world.states, world.actions)
    decided = gumbel_tree_search(world, belief, noise, GumbelConfig(num_simulations=case["simulations"]), greedy=True)
    assert torch.equal(decided.visits.long(), torch.tensor(case["visits"]).long())
    torch.testing.assert_close(decided.weights, torch.tensor(case["weights"]), atol=2e-4, rtol=0)
    assert decided.action.tolist() == case["action"]
