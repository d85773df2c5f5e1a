"""A trained model as a traveller says what it says when it acts."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nextlat_rl.memory import Acting
from nextlat_rl.metrics.state_space import Trip
from nextlat_rl.metrics.traveller import ModelTraveller
from nextlat_rl.types import Step
from nextlat_rl.world_model import WorldModel
from tests.helpers.tiny import tiny_model


def read(trip: Trip) -> tuple[list[dict[str, object]], list[int]]:
    """The goal is seen, then the start, then where the trip has got to."""
    places = [trip.goal, trip.start, *((trip.start + sum(trip.moves[: k + 1])) % 5 for k in range(len(trip.moves)))]
    return [{"place": p, "speed": np.zeros(2, np.float32)} for p in places], [0, *trip.moves]


@pytest.mark.parametrize("acting", ["trunk", "recurrent"])
def test_log_probs_are_those_of_the_policy_when_it_acts(acting: Acting) -> None:
    """Trips of different lengths in one batch, against one at a time, step by step."""
    model = tiny_model()
    torch.manual_seed(1)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    world_model = WorldModel(model, "none")
    trips = [Trip(1, 3, (2, 1, 1)), Trip(0, 4), Trip(2, 0, (1,))]
    found = ModelTraveller(world_model, read, moves=[2, 0, 1], acting=acting).log_probs(trips)
    assert found.shape == (3, 3)
    for trip, row in zip(trips, found, strict=True):
        observations, actions = read(trip)
        memory, zero = world_model.memory(1, acting), torch.zeros(1)
        belief = world_model.observe(world_model.first_step(observations[:1]), memory)
        for observation, action in zip(observations[1:], actions, strict=True):
            seen = world_model.encode_observations([observation])
            step = Step(seen, world_model.encode_actions([action]), zero, torch.tensor([False]))
            belief = world_model.observe(step, memory)
        policy = model.action.head(belief)[0].detach()
        expected = [float(model.action.log_prob(policy, torch.tensor(move))) for move in (2, 0, 1)]
        np.testing.assert_allclose(row, expected, atol=1e-4)
