"""Promises that every codec keeps."""

import json
import sys
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from hypothesis import given, settings

import nextlat_rl.spaces as package
from nextlat_rl.errors import UserError
from nextlat_rl.spaces import build_codec, codec_class, registry
from tests.helpers.space_strategies import (
    SEEDS,
    WIDTH,
    action_spaces,
    box,
    fitted,
    grid_of_uniforms,
    image,
    observation_leaves,
    parameters_of,
    samples,
)

EVERY = [(observation_leaves, "observation"), (action_spaces, "action")]
every = pytest.mark.parametrize("role", ["observation", "action"])


def spaces_for(role):
    return observation_leaves if role == "observation" else action_spaces


def for_every_space(check):
    """Run `check(space, seed, role)` on random observation leaves and action spaces."""

    @given(observation_leaves, SEEDS)
    def observation(space, seed):
        check(space, seed, "observation")

    @given(action_spaces, SEEDS)
    def action(space, seed):
        check(space, seed, "action")

    def test(role):
        {"observation": observation, "action": action}[role]()

    test.__name__ = check.__name__
    return every(test)


@for_every_space
def test_round_trip(space, seed, role):
    elements = samples(space, seed)
    kind = codec_class(space, role)
    stored = kind.encode(space, elements)
    dtype, shape = kind.storage(space)
    assert stored.dtype == dtype
    assert stored.shape == (len(elements), *shape)
    back = kind.decode(space, stored)
    for element, decoded in zip(elements, back, strict=True):
        assert space.contains(decoded)
        if getattr(space, "dtype", None) == np.float64:
            np.testing.assert_allclose(decoded, element, rtol=1e-6, atol=1e-6)
        else:
            np.testing.assert_array_equal(decoded, element)
    if not isinstance(space, spaces.Text):
        np.testing.assert_array_equal(kind.encode(space, np.stack(elements)), stored)


@for_every_space
def test_mode_and_samples_are_in_the_space(space, seed, role):
    codec, stored, _ = fitted(space, seed, role)
    parameters = parameters_of(codec, 4)
    uniform = torch.rand(4, codec.num_uniforms)
    uniform[0], uniform[1] = 0.0, 1.0 - 2**-24
    for values in (codec.mode(parameters), codec.sample(parameters, uniform)):
        assert values.dtype == stored.dtype
        assert values.shape == (4, *codec.storage_shape)
        assert all(space.contains(element) for element in codec.decode(space, values.numpy()))


@for_every_space
def test_shapes_and_gradients(space, seed, role):
    codec, stored, _ = fitted(space, seed, role)
    embedded = codec.embed(stored)
    assert embedded.shape == (len(stored), WIDTH)
    features = torch.randn(len(stored), WIDTH, requires_grad=True)
    log_prob = codec.log_prob(codec.head(features), stored)
    assert log_prob.shape == (len(stored),)
    (embedded.square().sum() + log_prob.sum()).backward()
    assert torch.isfinite(features.grad).all()
    for name, parameter in codec.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name


@for_every_space
def test_batch_shape_does_not_matter(space, seed, role):
    codec, stored, _ = fitted(space, seed, role)
    flat = torch.cat([stored, stored.flip(0)])[:6]
    x = flat.view(2, 3, *codec.storage_shape)
    features = torch.randn(2, 3, WIDTH)
    uniform = torch.rand(2, 3, codec.num_uniforms)
    p, q = codec.head(features), codec.head(features.flip(0))
    p_flat, q_flat = p.flatten(0, 1), q.flatten(0, 1)
    torch.testing.assert_close(codec.head(features.flatten(0, 1)), p_flat, rtol=1e-4, atol=1e-5)
    pairs = [
        (codec.embed(x), codec.embed(flat)),
        (codec.log_prob(p, x), codec.log_prob(p_flat, flat)),
        (codec.mode(p), codec.mode(p_flat)),
        (codec.sample(p, uniform), codec.sample(p_flat, uniform.flatten(0, 1))),
        (codec.kl(p, q), codec.kl(p_flat, q_flat)),
    ]
    for batched, single in pairs:
        torch.testing.assert_close(batched.flatten(0, 1), single, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(codec.log_prob(p_flat[0], flat[0]), codec.log_prob(p_flat, flat)[0])
    torch.testing.assert_close(codec.embed(flat[0]), codec.embed(flat)[0], rtol=1e-4, atol=1e-5)


@for_every_space
def test_kl_is_zero_for_equals_and_never_negative(space, seed, role):
    codec, _, _ = fitted(space, seed, role)
    p, q = parameters_of(codec, 4), parameters_of(codec, 4)
    torch.testing.assert_close(codec.kl(p, p), torch.zeros(4))
    assert (codec.kl(p, q) >= -1e-5).all()


@for_every_space
def test_autocast_keeps_parameters_and_log_probs_in_float32(space, seed, role):
    codec, stored, _ = fitted(space, seed, role)
    with torch.autocast("cpu", torch.bfloat16):
        parameters = codec.head(torch.randn(len(stored), WIDTH))
        results = [parameters, codec.log_prob(parameters, stored), codec.kl(parameters, parameters)]
        assert torch.isfinite(codec.embed(codec.mode(parameters))).all()
    assert all(result.dtype == torch.float32 for result in results)


@for_every_space
def test_statistics_are_json(space, seed, role):
    kind = codec_class(space, role)
    statistics = kind.measure(space, kind.encode(space, samples(space, seed)))
    torch.manual_seed(0)
    codec = build_codec(space, WIDTH, statistics, role)
    torch.manual_seed(0)
    loaded = build_codec(space, WIDTH, json.loads(json.dumps(statistics)), role)
    parameters = parameters_of(codec, 3)
    uniform = torch.rand(3, codec.num_uniforms)
    assert torch.equal(codec.sample(parameters, uniform), loaded.sample(parameters, uniform))


@given(box(), SEEDS)
def test_gaussian_log_prob_and_kl_agree_with_torch(space, seed):
    codec, stored, _ = fitted(space, seed)
    p, q = parameters_of(codec, len(stored)), parameters_of(codec, len(stored))
    z = (stored.reshape(len(stored), -1) - codec.mean) / codec.std
    normal_p, normal_q = (torch.distributions.Normal(m, s.exp()) for m, s in (codec._split(p), codec._split(q)))
    torch.testing.assert_close(codec.log_prob(p, stored), normal_p.log_prob(z).sum(-1), rtol=1e-4, atol=1e-4)
    divergence = torch.distributions.kl_divergence(normal_p, normal_q).sum(-1)
    torch.testing.assert_close(codec.kl(p, q), divergence, rtol=1e-4, atol=1e-4)


def test_gaussian_samples_have_its_mean_and_spread():
    space = spaces.Box(-np.inf, np.inf, (1,))
    codec = build_codec(space, WIDTH, {"mean": [3.0], "std": [2.0]})
    parameters = parameters_of(codec, 1).expand(4000, -1)
    drawn = codec.sample(parameters, grid_of_uniforms(4000)[:, None])
    mean, log_std = codec._split(parameters[0])
    torch.testing.assert_close(drawn.mean(), 3.0 + 2.0 * mean[0], rtol=1e-2, atol=1e-2)
    torch.testing.assert_close(drawn.std(), 2.0 * log_std.exp()[0], rtol=1e-2, atol=1e-2)


def test_log_std_stays_in_range_and_its_gradient_alive():
    codec = build_codec(spaces.Box(-1.0, 1.0, (1,)), WIDTH, {})
    raw = torch.tensor([-12.0, 0.0, 12.0], requires_grad=True)
    _, log_std = codec._split(torch.stack([torch.zeros(3), raw], -1))
    assert log_std.min() >= -3.0 and log_std.max() <= 2.01
    log_std.sum().backward()
    assert (raw.grad > 0).all()


def test_constant_and_far_numbers_embed_finitely():
    space = spaces.Box(-np.inf, np.inf, (2,))
    stored = np.array([[5.0, 0.0], [5.0, 1.0]], np.float32)
    codec = build_codec(space, WIDTH, codec_class(space).measure(space, stored))
    assert codec.std[0] == 1.0
    assert torch.isfinite(codec.embed(torch.tensor([[1e30, -1e30]]))).all()


@pytest.mark.parametrize("dtype", [np.int64, np.int8, np.float32, np.float64])
def test_extreme_predictions_are_in_the_space(dtype):
    limits = np.iinfo(dtype) if np.issubdtype(dtype, np.integer) else np.finfo(dtype)
    space = spaces.Box(limits.min, limits.max, (4,), dtype)
    decoded = codec_class(space).decode(space, np.array([[-3e38, 3e38, 0.4, -0.6]], np.float32))
    assert space.contains(decoded[0])


def test_measured_mean_and_std_agree_with_numpy():
    stored = np.random.default_rng(0).normal(1000.0, 0.5, (70_000, 2)).astype(np.float32)
    statistics = codec_class(spaces.Box(-np.inf, np.inf, (2,))).measure(spaces.Box(-np.inf, np.inf, (2,)), stored)
    np.testing.assert_allclose(statistics["mean"], stored.astype(np.float64).mean(0))
    np.testing.assert_allclose(statistics["std"], stored.astype(np.float64).std(0))


@settings(max_examples=10)
@given(image(), SEEDS)
def test_image_log_prob_is_the_sum_over_predicted_pixels(space, seed):
    codec, stored, _ = fitted(space, seed)
    parameters = parameters_of(codec, len(stored))
    mean, log_std = codec._split(parameters)
    target = codec._shrunk(stored, (32, 32)).flatten(1)
    expected = torch.distributions.Normal(mean, log_std.exp()).log_prob(target).sum(-1)
    torch.testing.assert_close(codec.log_prob(parameters, stored), expected, rtol=1e-4, atol=1e-2)


def test_image_layouts_agree():
    pixels = np.random.default_rng(0).integers(0, 256, (2, 64, 32, 3)).astype(np.uint8)
    last = build_codec(spaces.Box(0, 255, (64, 32, 3), np.uint8), WIDTH, {})
    first = build_codec(spaces.Box(0, 255, (3, 64, 32), np.uint8), WIDTH, {})
    first.load_state_dict(last.state_dict())
    x, moved = torch.from_numpy(pixels), torch.from_numpy(np.moveaxis(pixels, -1, 1).copy())
    torch.testing.assert_close(last.embed(x), first.embed(moved))
    parameters = parameters_of(last, 2)
    assert torch.equal(last.mode(parameters).movedim(-1, 1), first.mode(parameters))


@pytest.mark.parametrize(
    "space",
    [
        spaces.Graph(spaces.Box(-1.0, 1.0, (2,)), spaces.Discrete(3)),
        spaces.Sequence(spaces.Discrete(3)),
        spaces.OneOf([spaces.Discrete(3), spaces.Box(-1.0, 1.0, (2,))]),
        spaces.Dict(a=spaces.Discrete(3)),
        spaces.Box(-1.0, 1.0, (30, 30, 30)),
        spaces.Box(-1.0, 1.0, (0,)),
        spaces.Text(300, min_length=200),
    ],
    ids=lambda space: type(space).__name__,
)
def test_unsupported_space_is_named(space):
    with pytest.raises(UserError, match=type(space).__name__):
        build_codec(space, WIDTH, {})


def test_text_action_is_refused():
    with pytest.raises(UserError, match="action space Text"):
        codec_class(spaces.Text(5), "action")


@pytest.mark.parametrize(
    "space, values",
    [
        (spaces.Discrete(3, start=1), [0]),
        (spaces.MultiDiscrete([2, 3]), [[0, 3]]),
        (spaces.MultiDiscrete([2, 3]), [[0, 1, 1]]),
        (spaces.Box(-1.0, 1.0, (2,)), [[0.0, np.nan]]),
        (spaces.Box(-np.inf, np.inf, (1,), np.float64), [[1e300]]),
        (spaces.Box(-1.0, 1.0, (2, 3)), np.zeros((4, 3, 2))),
        (spaces.Box(-1.0, 1.0, (2,)), [[0.0, 1.0], [0.0]]),
        (spaces.Text(5, charset="ab"), ["abc"]),
        (spaces.Text(5, charset="".join(map(chr, range(300)))), ["a"]),
        (spaces.Box(0, 255, (2, 2, 3), np.uint8), np.full((1, 2, 2, 3), 200)),
    ],
    ids=str,
)
def test_values_outside_the_space_are_refused(space, values):
    with pytest.raises(UserError):
        codec_class(space).encode(space, values)


def test_minigrid_observations_round_trip():
    import minigrid  # noqa: F401  registers the environments

    env = gym.make("MiniGrid-FourRooms-v0")
    view, direction = env.observation_space["image"], env.observation_space["direction"]
    observations = [env.reset(seed=0)[0]]
    for step in range(60):
        observations.append(env.step(step % 3)[0])
    images = np.stack([o["image"] for o in observations])
    directions = [o["direction"] for o in observations]
    kind = codec_class(view)
    assert kind.__name__ == "SymbolicGridCodec"
    stored = kind.encode(view, images)
    assert stored.dtype == np.uint8
    np.testing.assert_array_equal(np.stack(kind.decode(view, stored)), images)
    assert codec_class(direction).decode(direction, codec_class(direction).encode(direction, directions)) == directions
    codec = build_codec(view, WIDTH, {})
    assert torch.isfinite(codec.log_prob(parameters_of(codec, len(images)), torch.from_numpy(stored))).all()


def test_box_loss_has_the_gradient_of_beta_nll():
    """d loss / d mean = (mean - x) / std, d loss / d log_std = std (1 - z^2), by hand for one number."""
    codec = build_codec(spaces.Box(-9, 9, (1,), np.float32), 4, {"mean": [0.0], "std": [1.0]})
    parameters = torch.tensor([[0.5, -1.0]], requires_grad=True)
    mean, log_std = codec._split(parameters)
    std = log_std.exp()
    (gradient,) = torch.autograd.grad(
        codec.loss(parameters, torch.tensor([[2.0]])).sum(), parameters, retain_graph=True
    )
    z = (2.0 - mean) / std
    (slope,) = torch.autograd.grad(log_std.sum(), parameters)
    expected = torch.cat([-(z / std) * std, std * (1 - z**2) * slope[:, 1:]], -1)
    torch.testing.assert_close(gradient, expected)


def test_a_new_codec_is_one_new_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the codec of the highest priority is taken."""
    (tmp_path / "weekday.py").write_text(
        "from nextlat_rl.spaces.categorical import DiscreteCodec\n"
        "class WeekdayCodec(DiscreteCodec):\n"
        "    priority = 1\n"
        "    @classmethod\n"
        "    def handles(cls, space, role):\n"
        "        return super().handles(space, role) and space.n == 7\n"
        "CODECS = (WeekdayCodec,)\n"
    )
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    registry.codecs.cache_clear()
    try:
        assert codec_class(spaces.Discrete(7)).__name__ == "WeekdayCodec"
        assert codec_class(spaces.Discrete(6)).__name__ == "DiscreteCodec"
    finally:
        registry.codecs.cache_clear()
        sys.modules.pop("nextlat_rl.spaces.weekday", None)
