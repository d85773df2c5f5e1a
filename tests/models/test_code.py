"""A code ties the parts of an answer together; prior and answer are normalised distributions."""

import itertools

import gymnasium as gym
import numpy as np
import pytest
import torch
from torch import Tensor

from nextlat_rl.errors import UserError
from nextlat_rl.models.answer import num_uniforms, sample_answer
from nextlat_rl.models.code import AnswerCode, straight_through
from nextlat_rl.models.config import ModelConfig
from nextlat_rl.models.nextlat import NextLat
from nextlat_rl.objectives.config import ObjectiveConfig
from nextlat_rl.spaces.distributions import inverse_cdf
from nextlat_rl.types import Spaces

GROUPS, CLASSES = 3, 4
ENCODER_WEIGHT = ObjectiveConfig().encoder_weight


def every_code() -> Tensor:
    return torch.tensor(list(itertools.product(range(CLASSES), repeat=GROUPS)))


def code() -> AnswerCode:
    torch.manual_seed(0)
    made = AnswerCode(8, GROUPS, CLASSES, 16)
    with torch.no_grad():
        made.previous.normal_()
        made.out.normal_()
    return made


def test_the_prior_sums_to_one_over_all_codes() -> None:
    made, afterstate = code(), torch.randn(8)
    codes = every_code()
    logits = made.prior(afterstate.expand(len(codes), -1), codes)
    assert float(made.log_prob(logits, codes).exp().sum()) == pytest.approx(1.0, abs=1e-5)


def test_codes_are_drawn_with_the_probability_that_the_prior_gives_them() -> None:
    made, afterstate = code(), torch.randn(8)
    codes = every_code()
    probability = made.log_prob(made.prior(afterstate.expand(len(codes), -1), codes), codes).exp()
    torch.manual_seed(1)
    drawn = made.sample(afterstate.expand(40_000, -1), torch.rand(40_000, GROUPS))
    index = (drawn * CLASSES ** torch.arange(GROUPS - 1, -1, -1)).sum(-1)
    share = torch.bincount(index, minlength=len(codes)) / len(drawn)
    assert torch.allclose(share, probability.detach(), atol=0.01)


def test_the_most_likely_code_is_most_likely_group_by_group() -> None:
    made, afterstate = code(), torch.randn(5, 8)
    chosen = made.mode(afterstate)
    assert torch.equal(made.prior(afterstate, chosen).argmax(-1), chosen)


def test_a_straight_through_sample_is_embedded_as_its_code_and_passes_gradients_on() -> None:
    made = code()
    logits = torch.randn(6, GROUPS, CLASSES, requires_grad=True)
    drawn = inverse_cdf(logits, torch.rand(6, GROUPS))
    sample = straight_through(logits, drawn)
    assert torch.allclose(made.embed(sample), made.embed(drawn), atol=1e-5)
    made.embed(sample).square().sum().backward()
    assert logits.grad is not None and float(logits.grad.abs().sum()) > 0


@pytest.mark.parametrize(
    ("name", "value", "least"), [("code_groups", 0, 1), ("code_groups", -2, 1), ("code_classes", 1, 2)]
)
def test_a_code_without_size_is_refused_in_one_line(name: str, value: int, least: int) -> None:
    with pytest.raises(UserError, match=f"model.{name}={value} must be at least {least}"):
        ModelConfig(**{name: value})  # type: ignore[arg-type]


def coin_model(answer: str) -> NextLat:
    """Two bits are observed."""
    torch.manual_seed(0)
    statistics = {
        "observation": {"observation": {}},
        "action": {},
        "reward": {"kind": "set", "values": [0.0, 1.0]},
        "value": {"kind": "set", "values": [0.0, 1.0]},
    }
    spaces = Spaces(gym.spaces.MultiBinary(2), gym.spaces.Discrete(2), statistics)
    config = ModelConfig(1, 1, 16, 4, 16, answer=answer, code_groups=2, code_classes=4, code_width=32)  # type: ignore[arg-type]
    return NextLat(spaces, config)


@pytest.mark.parametrize(("answer", "agreeing"), [("product", 0.5), ("joint", 0.99)])
def test_two_coins_that_always_agree_need_a_joint_answer(answer: str, agreeing: float) -> None:
    """The world shows 00 or 11, and pays and ends where it shows 11; independent parts cannot know."""
    model = coin_model(answer)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    generator = torch.Generator().manual_seed(0)
    before = torch.zeros(256, model.belief_size)
    for _ in range(300):
        coin = torch.rand(256, generator=generator) < 0.5
        observation = {"observation": coin[:, None].expand(-1, 2).long()}
        x = model.embed_step(before, coin.float(), observation, torch.zeros_like(coin))
        sample, loss = model.no_code(before), torch.zeros(())
        if model.code is not None:
            logits = model.code.posterior(before, x, coin)
            drawn = inverse_cdf(logits, torch.rand(logits.shape[:-1], generator=generator))
            sample = straight_through(logits, drawn)
            prior = model.code_prior(before, drawn)
            loss = model.code.kl(logits.detach(), prior).mean()
            loss = loss + ENCODER_WEIGHT * model.code.kl(logits, prior.detach()).mean()
        transition = model.transition(before, sample)
        loss = (
            loss
            - model.observation["observation"]
            .log_prob(transition.observation["observation"], coin[:, None].expand(-1, 2).long())
            .mean()
        )
        loss = loss + torch.nn.functional.binary_cross_entropy_with_logits(transition.end, coin.float())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    noise = torch.rand(4000, num_uniforms(model), generator=generator)
    drawn_answer, _ = sample_answer(model, torch.zeros(4000, model.belief_size), noise)
    bits = drawn_answer.observation["observation"].numpy()
    assert np.mean(bits[:, 0]) == pytest.approx(0.5, abs=0.05)
    agree = np.mean((bits[:, 0] == bits[:, 1]) & (bits[:, 0] == drawn_answer.end.numpy()))
    assert agree >= agreeing if answer == "joint" else agree <= agreeing
