import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nextlat_rl.errors import UserError
from nextlat_rl.spaces import build_scalar, scalar_statistics
from nextlat_rl.spaces.distributions import two_hot
from nextlat_rl.spaces.scalar import FiniteSet, TwoHot
from tests.helpers.space_strategies import WIDTH, grid_of_uniforms

numbers = st.floats(-1e4, 1e4, width=32)
ranges = st.tuples(numbers, numbers).map(sorted).filter(lambda ends: ends[1] - ends[0] > 1e-2)


def two_hot_of(low, high, bins=63):
    return build_scalar(WIDTH, {"kind": "twohot", "low": low, "high": high, "bins": bins})


def target(codec, x):
    """Parameters whose probabilities are the two-hot target of x `[N]`."""
    lower, weight = two_hot(x, codec.centres)
    probabilities = torch.zeros(len(x), len(codec.centres))
    probabilities.scatter_add_(-1, lower[:, None], (1 - weight)[:, None])
    probabilities.scatter_add_(-1, lower[:, None] + 1, weight[:, None])
    return probabilities.log().clamp(min=-80.0)


@given(ranges, st.integers(3, 80))
def test_low_high_and_zero_are_centres(ends, bins):
    low, high = ends
    centres = two_hot_of(low, high, bins).centres
    assert len(centres) == bins
    assert (centres == 0).sum() == 1
    assert {np.float32(low), np.float32(high)} <= set(centres.numpy())
    assert (centres.diff() > 0).all() or high - low < 1.0


@given(ranges, st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_two_hot_mean_and_mode_are_exact_at_and_between_bins(ends, positions):
    codec = two_hot_of(*ends)
    low, high = ends
    x = torch.cat([low + (high - low) * torch.tensor(positions), codec.centres]).clamp(low, high)
    scale = max(abs(low), abs(high))
    parameters = target(codec, x)
    torch.testing.assert_close(codec.mean(parameters), x, rtol=1e-4, atol=1e-6 * scale)
    torch.testing.assert_close(codec.mode(parameters), x, rtol=1e-4, atol=1e-6 * scale)


def test_two_hot_log_prob_is_the_cross_entropy():
    codec = two_hot_of(-1.0, 1.0, 5)
    parameters = torch.randn(3, 5)
    middle = (codec.centres[1] * 0.25 + codec.centres[2] * 0.75).expand(3)
    log_p = parameters.log_softmax(-1)
    torch.testing.assert_close(codec.log_prob(parameters, middle), 0.25 * log_p[:, 1] + 0.75 * log_p[:, 2])
    torch.testing.assert_close(codec.log_prob(parameters, torch.full((3,), 99.0)), log_p[:, 4])


@pytest.mark.parametrize("statistics", [{"kind": "set", "values": [-1.0, 0.0, 5.0]}, None])
def test_sample_frequencies_and_kl(statistics):
    codec = build_scalar(WIDTH, statistics or {"kind": "twohot", "low": -1.0, "high": 2.0, "bins": 7})
    n, count = len(codec.centres), 2000
    p, q = torch.randn(1, n), torch.randn(1, n)
    drawn = codec.sample(p.expand(count, -1), grid_of_uniforms(count)[:, None])
    frequencies = (drawn[:, None] == codec.centres).float().mean(0)
    assert (frequencies - p[0].softmax(-1)).abs().max() <= 1 / count + 1e-6
    log_p, log_q = p.log_softmax(-1), q.log_softmax(-1)
    torch.testing.assert_close(codec.kl(p, q), (log_p.exp() * (log_p - log_q)).sum(-1))
    torch.testing.assert_close(codec.log_prob(p.expand(n, -1), codec.centres).exp().sum(), torch.tensor(1.0))


def test_finite_set_is_exact():
    codec = build_scalar(WIDTH, {"kind": "set", "values": [-0.1, 0.0, 1.0]})
    values = torch.tensor([1.0, -0.1, 0.0])
    parameters = torch.full((3, 3), -80.0)
    parameters[torch.arange(3), torch.tensor([2, 0, 1])] = 0.0
    assert torch.equal(codec.mode(parameters), values)
    torch.testing.assert_close(codec.mean(parameters), values)
    torch.testing.assert_close(codec.log_prob(parameters, values), torch.zeros(3))


@pytest.mark.parametrize(
    "statistics, expected",
    [
        ({"kind": "twohot", "low": -2.0, "high": 2.0, "bins": 63}, 0.0),
        ({"kind": "twohot", "low": 0.0, "high": 1.0, "bins": 63}, 0.0),
        ({"kind": "set", "values": [0.0, 1.0]}, 0.0),
        ({"kind": "set", "values": [0.0]}, 0.0),
        ({"kind": "set", "values": [3.0]}, 3.0),
    ],
)
def test_new_heads_predict_about_zero(statistics, expected):
    codec = build_scalar(WIDTH, statistics)
    mean = codec.mean(codec.head(torch.randn(4, WIDTH)))
    torch.testing.assert_close(mean, torch.full((4,), expected), rtol=0, atol=0.0101)


@pytest.mark.parametrize("values", [[0.0, 1.0], np.linspace(-1, 3, 50)])
def test_shapes_and_gradients(values):
    codec = build_scalar(WIDTH, scalar_statistics(np.array(values)))
    x = torch.tensor(np.resize(values, 6), dtype=torch.float32).view(2, 3)
    features = torch.randn(2, 3, WIDTH, requires_grad=True)
    embedded = codec.embed(x)
    parameters = codec.head(features)
    assert embedded.shape == (2, 3, WIDTH)
    for out in (
        codec.log_prob(parameters, x),
        codec.mean(parameters),
        codec.mode(parameters),
        codec.kl(parameters, parameters),
    ):
        assert out.shape == (2, 3)
    (embedded.square().sum() + codec.log_prob(parameters, x).sum()).backward()
    assert all(torch.isfinite(p.grad).all() for p in codec.parameters())
    torch.testing.assert_close(codec.embed(x.flatten()), embedded.flatten(0, 1))


def test_statistics_choose_the_codec_and_are_json():
    few, many = scalar_statistics(np.array([0.0, 0.1, 0.1])), scalar_statistics(np.linspace(-1, 3, 50))
    assert few == {"kind": "set", "values": [0.0, float(np.float32(0.1))]}
    assert many == {"kind": "twohot", "low": -1.0, "high": 3.0, "bins": 63}
    assert isinstance(build_scalar(WIDTH, json.loads(json.dumps(few))), FiniteSet)
    assert isinstance(build_scalar(WIDTH, json.loads(json.dumps(many))), TwoHot)


@pytest.mark.parametrize("values", [[], [np.nan], [1e300]])
def test_bad_values_are_refused(values):
    with pytest.raises(UserError):
        scalar_statistics(np.array(values))


@pytest.mark.parametrize("statistics", [{"kind": "other"}, {"kind": "twohot", "low": 1.0, "high": 1.0}])
def test_bad_statistics_are_refused(statistics):
    with pytest.raises(UserError):
        build_scalar(WIDTH, statistics)
