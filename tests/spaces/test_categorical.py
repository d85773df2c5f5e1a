"""Exact enumeration on small categorical spaces."""

import itertools

import numpy as np
import pytest
import torch
from gymnasium import spaces
from hypothesis import given
from hypothesis import strategies as st

from nextlat_rl.spaces import build_codec
from nextlat_rl.spaces.distributions import inverse_cdf
from tests.helpers.space_strategies import SEEDS, WIDTH, grid_of_uniforms, multi_discrete, parameters_of

small = st.one_of(
    st.builds(spaces.Discrete, st.integers(1, 9), start=st.integers(-3, 3)),
    multi_discrete(shapes=st.sampled_from([(2,), (3,), (2, 2)]), largest=4),
    st.builds(spaces.MultiBinary, st.integers(1, 5)),
)


def everything(codec):
    """All stored values `[M, *storage_shape]`."""
    cardinalities = codec.fields(codec.space)[0].reshape(-1)
    rows = list(itertools.product(*(range(c) for c in cardinalities)))
    return torch.tensor(rows).reshape(-1, *codec.storage_shape).to(torch.uint8)


def log_probs(codec, parameters, values):
    return codec.log_prob(parameters.expand(len(values), -1), values)


@given(small, SEEDS)
def test_log_prob_sums_to_one(space, seed):
    torch.manual_seed(seed)
    codec = build_codec(space, WIDTH, {})
    values = everything(codec)
    assert len(torch.unique(values, dim=0)) == len(values)
    torch.testing.assert_close(log_probs(codec, parameters_of(codec, 1), values).exp().sum(), torch.tensor(1.0))


@given(small, SEEDS)
def test_mode_is_the_most_likely_value(space, seed):
    torch.manual_seed(seed)
    codec = build_codec(space, WIDTH, {})
    values, parameters = everything(codec), parameters_of(codec, 1)
    best = values[log_probs(codec, parameters, values).argmax()]
    torch.testing.assert_close(codec.mode(parameters)[0], best)


@given(small, SEEDS)
def test_kl_equals_enumeration(space, seed):
    torch.manual_seed(seed)
    codec = build_codec(space, WIDTH, {})
    values, p, q = everything(codec), parameters_of(codec, 1), parameters_of(codec, 1)
    log_p, log_q = log_probs(codec, p, values), log_probs(codec, q, values)
    torch.testing.assert_close(codec.kl(p, q)[0], (log_p.exp() * (log_p - log_q)).sum(), rtol=1e-4, atol=1e-5)


@given(st.integers(2, 9), SEEDS)
def test_sample_frequencies_are_the_probabilities(n, seed):
    torch.manual_seed(seed)
    codec = build_codec(spaces.Discrete(n), WIDTH, {})
    parameters, count = parameters_of(codec, 1), 2000
    drawn = codec.sample(parameters.expand(count, -1), grid_of_uniforms(count)[:, None])
    frequencies = torch.bincount(drawn.long(), minlength=n) / count
    assert (frequencies - parameters[0].softmax(-1)).abs().max() <= 1 / count + 1e-6


@given(multi_discrete(shapes=st.just((3,)), largest=4), SEEDS)
def test_every_field_has_its_own_uniform(space, seed):
    torch.manual_seed(seed)
    codec = build_codec(space, WIDTH, {})
    side = 24
    axis = grid_of_uniforms(side)
    uniform = torch.cartesian_prod(axis, axis, axis)
    parameters = parameters_of(codec, 1, scale=1.0)
    drawn = codec.sample(parameters.expand(len(uniform), -1), uniform)
    values = everything(codec)
    frequencies = (drawn[:, None] == values).all(-1).float().mean(0)
    assert (frequencies - log_probs(codec, parameters, values).exp()).abs().max() <= 3 / side


@pytest.mark.parametrize("uniform", [0.0, 0.5, 1.0 - 2**-24])
def test_impossible_classes_are_never_drawn(uniform):
    logits = torch.tensor([-torch.inf, 0.0, -torch.inf, 1.0, -torch.inf])
    assert int(inverse_cdf(logits, torch.tensor(uniform))) in (1, 3)


def test_fields_keep_their_place():
    space = spaces.MultiDiscrete([[4, 2], [3, 2]], start=[[1, 0], [-2, 5]])
    codec = build_codec(space, WIDTH, {})
    values = np.array([[[4, 1], [-2, 6]], [[1, 0], [0, 5]]])
    stored = torch.from_numpy(codec.encode(space, values))
    parameters = torch.zeros(2, 11)
    index = codec._ordered(stored) * codec.stride + codec.base
    parameters.scatter_(-1, index, 50.0)
    assert torch.equal(codec.mode(parameters), stored)
    torch.testing.assert_close(codec.log_prob(parameters, stored), torch.zeros(2))


def test_single_field_parameters_are_plain_logits():
    codec = build_codec(spaces.Discrete(5), WIDTH, {})
    parameters, x = parameters_of(codec, 4), torch.tensor([0, 4, 2, 2], dtype=torch.uint8)
    expected = parameters.log_softmax(-1)[torch.arange(4), x.long()]
    torch.testing.assert_close(codec.log_prob(parameters, x), expected)


def test_grid_log_prob_equals_a_plain_loop():
    torch.manual_seed(0)
    codec = build_codec(spaces.Box(0, 255, (2, 2, 3), np.uint8), WIDTH, {})
    x = torch.stack([torch.randint(0, c, (5, 2, 2)) for c in (11, 6, 4)], -1).to(torch.uint8)
    parameters = parameters_of(codec, 5)
    total = torch.zeros(5)
    start = 0
    for c, field in ((4, 2), (6, 1), (11, 0)):
        logits = parameters[:, start : start + 4 * c].view(5, c, 4)
        start += 4 * c
        for cell in range(4):
            target = x.view(5, 4, 3)[:, cell, field].long()
            total += logits[:, :, cell].log_softmax(-1)[torch.arange(5), target]
    torch.testing.assert_close(codec.log_prob(parameters, x), total)


@pytest.mark.parametrize("shape", [(4, 7, 3), (4, 3, 7), (4, 3, 3)])
def test_many_fields_are_drawn_as_each_alone(shape: tuple[int, int, int]) -> None:
    torch.manual_seed(0)
    logits, uniform = torch.randn(shape), torch.rand(shape[0], shape[2])
    logits[:, 1] = -torch.inf  # never drawn
    drawn = inverse_cdf(logits, uniform, dim=-2)
    alone = torch.stack([inverse_cdf(logits[..., i], uniform[:, i]) for i in range(shape[2])], -1)
    assert drawn.dtype == torch.long
    torch.testing.assert_close(drawn, alone)
    below = logits.softmax(-2).cumsum(-2)
    edges = torch.cat((torch.zeros_like(below[:, :1]), below), dim=-2)
    low, high = (edges.gather(-2, (drawn + k).unsqueeze(-2)).squeeze(-2) for k in (0, 1))
    assert ((low - 1e-6 <= uniform) & (uniform <= high + 1e-6)).all() and (drawn != 1).all()
