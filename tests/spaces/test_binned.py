import numpy as np
import pytest
import torch
from gymnasium import spaces
from hypothesis import given

from nextlat_rl.errors import UserError
from nextlat_rl.spaces import build_codec, codec_class
from nextlat_rl.spaces.binned import BINS
from tests.helpers.space_strategies import SEEDS, WIDTH, box, grid_of_uniforms, parameters_of

SPACE = spaces.Box(np.array([-2.0, 0.0], np.float32), np.array([2.0, 0.1], np.float32))


def codec_of(space=SPACE, statistics=None):
    return build_codec(space, WIDTH, statistics or {}, "action")


def certain(codec, bins):
    """Parameters that put all probability on one bin per dimension."""
    logits = torch.full((1, len(bins), BINS), -60.0)
    logits[0, torch.arange(len(bins)), torch.tensor(bins)] = 60.0
    return logits.flatten(1)


@given(box(bounded=True), SEEDS)
def test_outermost_bins_are_exactly_the_bounds(space, seed):
    codec = codec_of(space)
    uniform = torch.rand(1, codec.num_uniforms)
    for index, bound in ((0, space.low), (BINS - 1, space.high)):
        parameters = certain(codec, [index] * codec.num_uniforms)
        for action in (codec.mode(parameters), codec.sample(parameters, uniform)):
            np.testing.assert_array_equal(codec.decode(space, action.numpy())[0], bound)


def test_probabilities_of_the_centres_sum_to_one():
    codec = codec_of(spaces.Box(-3.0, 1.0, (1,)))
    centres = torch.linspace(-3.0, 1.0, BINS)[:, None]
    log_prob = codec.log_prob(parameters_of(codec, 1).expand(BINS, -1), centres)
    torch.testing.assert_close(log_prob.exp().sum(), torch.tensor(1.0), rtol=1e-4, atol=1e-4)


def test_log_prob_interpolates_neighbours():
    codec = codec_of(spaces.Box(0.0, 40.0, (1,)))
    parameters = parameters_of(codec, 1)
    log_p = parameters[0].log_softmax(-1)
    log_prob = codec.log_prob(parameters, torch.tensor([[7.25]]))
    torch.testing.assert_close(log_prob[0], 0.75 * log_p[7] + 0.25 * log_p[8], rtol=1e-4, atol=1e-4)


def test_mode_of_a_two_hot_target_is_the_action():
    codec = codec_of(spaces.Box(0.0, 40.0, (1,)))
    parameters = torch.full((1, BINS), -60.0)
    parameters[0, 7], parameters[0, 8] = np.log(0.75), np.log(0.25)
    torch.testing.assert_close(codec.mode(parameters), torch.tensor([[7.25]]))


def test_sample_frequencies_are_the_probabilities():
    codec = codec_of(spaces.Box(0.0, 40.0, (1,)))
    parameters, count = parameters_of(codec, 1), 4000
    drawn = codec.sample(parameters.expand(count, -1), grid_of_uniforms(count)[:, None])
    frequencies = torch.bincount(drawn[:, 0].round().long(), minlength=BINS) / count
    assert (frequencies - parameters[0].softmax(-1)).abs().max() <= 1 / count + 1e-6


def test_kl_equals_enumeration():
    codec = codec_of()
    p, q = parameters_of(codec, 3), parameters_of(codec, 3)
    log_p, log_q = (x.view(3, 2, BINS).log_softmax(-1) for x in (p, q))
    torch.testing.assert_close(codec.kl(p, q), (log_p.exp() * (log_p - log_q)).sum((-1, -2)))


@pytest.mark.parametrize("bound", [np.inf, np.finfo(np.float32).max])
def test_unbounded_dimensions_take_the_range_of_the_data(bound):
    space = spaces.Box(np.array([-bound, -1.0], np.float32), np.array([bound, 1.0], np.float32))
    stored = codec_class(space, "action").encode(space, [[-7.0, 0.0], [3.0, 0.5]])
    statistics = codec_class(space, "action").measure(space, stored)
    codec = codec_of(space, statistics)
    assert codec.low.tolist() == [-7.0, -1.0]
    assert codec.high.tolist() == [3.0, 1.0]
    with pytest.raises(UserError, match="bounds"):
        codec_of(space)


def test_constant_data_keep_an_extent():
    space = spaces.Box(-np.inf, np.inf, (1,))
    codec = codec_of(space, {"low": [2.0], "high": [2.0]})
    assert torch.isfinite(codec.log_prob(parameters_of(codec, 1), torch.tensor([[2.0]]))).all()


def test_actions_outside_the_range_count_as_the_bound():
    codec = codec_of(spaces.Box(-np.inf, np.inf, (1,)), {"low": [-1.0], "high": [1.0]})
    parameters = parameters_of(codec, 1)
    torch.testing.assert_close(
        codec.log_prob(parameters, torch.tensor([[9.0]])), codec.log_prob(parameters, torch.tensor([[1.0]]))
    )
