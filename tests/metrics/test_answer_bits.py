"""The bits of an answer are the negative log-likelihoods of its parts, the action left out."""

from __future__ import annotations

import math

import pytest
import torch

from nextlat_rl.metrics.answer_bits import answer_bits
from nextlat_rl.objectives.forward import forward
from tests.helpers.tiny import make_batch, tiny_model


@torch.no_grad()
def test_the_bits_are_those_of_a_loop_over_the_steps() -> None:
    model, batch = tiny_model(), make_batch([[5, 3], [8]])
    answer = forward(model, batch).transition
    end, reward, place, speed = [], [], [], []
    for b, t in batch.has_action.nonzero().tolist():
        ended = batch.terminated[b, t]
        chance = torch.sigmoid(answer.end[b, t])
        end.append(-math.log2(chance if ended else 1 - chance))
        given = answer.reward[b, t, int(ended)]
        reward.append(-float(model.reward.log_prob(given, batch.reward[b, t])) / math.log(2))
        if batch.has_next[b, t]:
            for found, name in ((place, "place"), (speed, "speed")):
                following = batch.observation[name][b, t + 1]
                log_prob = model.observation[name].log_prob(answer.observation[name][b, t], following)
                found.append(-float(log_prob) / math.log(2))
    mean = [sum(part) / len(part) for part in (end, reward, place, speed)]
    bits = answer_bits(model, batch)
    assert list(bits) == ["end", "reward", "observation/place", "observation/speed", "total"]
    assert list(bits.values())[:-1] == pytest.approx(mean, abs=1e-4)
    assert bits["total"] == pytest.approx(sum(mean), abs=1e-4)


@torch.no_grad()
def test_a_model_that_knows_nothing_pays_the_logarithm_of_the_choices() -> None:
    model, batch = tiny_model(), make_batch([[6, 4]])
    for parameter in (*model.end.parameters(), *model.reward.parameters(), *model.observation["place"].parameters()):
        parameter.zero_()
    bits = answer_bits(model, batch)
    assert bits["end"] == pytest.approx(1.0)
    assert bits["reward"] == pytest.approx(1.0)
    assert bits["observation/place"] == pytest.approx(math.log2(5), abs=1e-5)
