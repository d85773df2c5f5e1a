"""Numbers predicted as changes: exact where the world is, within bounds, at constants, and around a full turn."""

import math

import gymnasium as gym
import numpy as np
import pytest
import torch
from torch import Tensor

from nextlat_rl.models.config import ModelConfig
from nextlat_rl.models.nextlat import NextLat
from nextlat_rl.spaces import build_scalar, reward_statistics, reward_support
from nextlat_rl.spaces.box import BoxCodec
from nextlat_rl.types import Spaces

PARAMETERS = 60  # softplus of a raw log-std of -60 is at the floor


def codec_of(low: list[float], high: list[float], rows: np.ndarray) -> BoxCodec:
    """The codec of a Box for one episode `[N, d]`."""
    space = gym.spaces.Box(np.float32(low), np.float32(high))
    stored = rows.astype(np.float32)
    statistics = BoxCodec.measure(space, stored) | BoxCodec.measure_changes(space, stored[:-1], stored[1:])
    return BoxCodec(space, 4, statistics)


def sure(codec: BoxCodec, before: Tensor, change: Tensor) -> Tensor:
    """Parameters that expect `change` (in the units of the numbers), as sure as the codec can be."""
    unit = (change / codec.std - codec.change_mean) / codec.change_std
    return codec.after_change(torch.cat((unit, torch.full_like(unit, -PARAMETERS)), -1), codec.normalised(before))


def test_a_linear_system_is_drawn_exactly() -> None:
    """Two numbers of very different scale whose changes are small beside them."""
    time = np.arange(400)[:, None]
    rows = np.concatenate((1000 + 0.5 * time + np.sin(time), 1e-3 * np.cos(0.1 * time)), 1)
    codec = codec_of([-np.inf] * 2, [np.inf] * 2, rows)
    before, after = (torch.from_numpy(x.astype(np.float32)) for x in (rows[:-1], rows[1:]))
    parameters = sure(codec, before, after - before)
    drawn = codec.sample(parameters, torch.rand(len(before), 2))
    spread = torch.from_numpy(np.diff(rows, axis=0).std(0).astype(np.float32))
    assert float(((drawn - after).abs() / spread).max()) < 0.02  # four deviations of exp(-6)
    torch.testing.assert_close(codec.mode(parameters), after, rtol=1e-6, atol=1e-6)


def test_a_constant_stays_what_it_is() -> None:
    rows = np.stack((np.full(50, 3.25), np.arange(50.0)), 1)  # and a counter, whose change never varies
    codec = codec_of([-np.inf] * 2, [np.inf] * 2, rows)
    before = torch.from_numpy(rows[:-1].astype(np.float32))
    drawn = codec.sample(sure(codec, before, torch.tensor([0.0, 1.0]).expand(49, 2)), torch.rand(49, 2))
    np.testing.assert_allclose(drawn.numpy(), rows[1:], atol=1e-3)


def test_what_is_drawn_stays_within_the_bounds_and_its_probability_sums_to_one() -> None:
    rng = np.random.default_rng(0)
    codec = codec_of([-1.0], [1.0], rng.uniform(-1, 1, (500, 1)))
    parameters = torch.cat((codec.normalised(torch.tensor([[0.9]])), torch.tensor([[math.log(0.5)]])), -1)
    drawn = codec.sample(parameters.expand(20_000, 2), torch.from_numpy(rng.random((20_000, 1), np.float32)))
    assert float(drawn.min()) >= -1 and float(drawn.max()) == 1
    at_bound = codec.log_prob(parameters, torch.tensor([[1.0]])).exp()
    assert float((drawn == 1).float().mean()) == pytest.approx(float(at_bound), abs=0.01)
    inside = torch.linspace(-0.9999, 0.9999, 20_001)[:, None]
    density = codec.log_prob(parameters.expand(len(inside), 2), inside).exp()
    mass = float(density.mean()) * 1.9998 / float(codec.std) + float(at_bound)
    mass += float(codec.log_prob(parameters, torch.tensor([[-1.0]])).exp())
    assert mass == pytest.approx(1.0, abs=1e-3)


def test_an_angle_goes_on_around_the_turn() -> None:
    angle = (0.2 * np.arange(300) + math.pi) % (2 * math.pi) - math.pi
    codec = codec_of([-math.pi], [math.pi], angle[:, None])
    assert float(codec.change_std) == pytest.approx(1e-3)  # the jump at the turn is not a change
    before = torch.tensor([[math.pi - 0.05]])
    parameters = sure(codec, before, torch.tensor([[0.2]]))
    after = torch.tensor([[-math.pi + 0.15]])
    torch.testing.assert_close(codec.mode(parameters), after, atol=1e-4, rtol=0)
    assert float(codec.log_prob(parameters, after)) > 0  # a sharp density, not one a turn away


def test_a_belief_carries_the_numbers_that_it_has_seen() -> None:
    space = gym.spaces.Box(-1, 1, (2,), np.float32)
    box = {"mean": [0.0] * 2, "std": [0.5] * 2, "change_mean": [0.0] * 2, "change_std": [0.1] * 2}
    reward = {"kind": "set", "values": [0.0, 1.0]}
    statistics = {"observation": {"observation": box}, "action": {}, "reward": reward, "value": reward}
    torch.manual_seed(0)
    model = NextLat(Spaces(space, gym.spaces.Discrete(2), statistics), ModelConfig(1, 1, 8, 4, 8))
    seen = {"observation": torch.rand(3, 5, 2) * 2 - 1}
    x = model.embed_step(torch.zeros(3, 5, 8), torch.zeros(3, 5), seen, torch.zeros(3, 5, dtype=torch.bool))
    belief = model.beliefs(x, torch.zeros(3, 5, dtype=torch.long))
    assert belief.shape[-1] == model.belief_size == 10
    torch.testing.assert_close(belief[..., 8:], 2 * seen["observation"])
    torch.testing.assert_close(model.dynamics(belief[:, 0], x[:, 1])[:, 8:], 2 * seen["observation"][:, 1])


def test_rewards_that_only_come_at_an_end_are_not_drawn_before() -> None:
    reward, ends = np.float32([0, 0, 0, 0.5, 0, 0.9]), np.array([0, 0, 0, 1, 0, 1], bool)
    statistics = reward_statistics(reward, ends)
    codec = build_scalar(4, statistics)
    chance = reward_support(codec, statistics).softmax(-1)
    going_on, ending = (dict(zip(np.round(codec.centres.tolist(), 4), row.tolist(), strict=True)) for row in chance)
    assert going_on[0.0] == pytest.approx(1.0) and going_on[0.5] < 1e-8 and going_on[0.9] < 1e-8
    assert ending[0.0] < 1e-8 and ending[0.5] == pytest.approx(0.5) and ending[0.9] == pytest.approx(0.5)
