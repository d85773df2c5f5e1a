"""Promise: a traced computation is the same computation."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from torch import nn

from nextlat_rl.spaces import build_codec
from nextlat_rl.tracing import Traced


def test_follows_weights_that_change() -> None:
    layer = nn.Linear(3, 2)
    traced = Traced(layer, lambda x: layer(x).relu(), eager=2)
    x = torch.randn(5, 3)
    for _ in range(6):
        assert torch.equal(traced(x), layer(x).relu())
        with torch.no_grad():
            layer.weight.add_(1.0)


def test_every_shape_gets_its_own_trace() -> None:
    layer = nn.Identity()
    traced, before = Traced(layer, lambda x: x.sum(0) * x.shape[0], eager=0), 0
    for size in (1, 4, 2, 4):
        x = torch.arange(3.0 * size).view(size, 3)
        slow = Traced.slow
        assert torch.equal(traced(x), x.sum(0) * size)
        assert Traced.slow - slow == (len(traced._traces) == before + 1)
        before = len(traced._traces)
    assert before == 3


def test_a_shape_is_traced_when_it_has_been_met_a_few_times() -> None:
    calls, layer = [], nn.Identity()

    def function(x: torch.Tensor) -> torch.Tensor:
        calls.append(len(x))
        return x * 2

    traced, slow = Traced(layer, function, eager=3), Traced.slow
    for number in range(1, 8):
        assert torch.equal(traced(torch.ones(2)), torch.full((2,), 2.0))
        assert Traced.slow - slow == min(number, 4)
    assert traced(torch.ones(5)).sum() == 10  # another shape, met for the first time
    assert list(traced._traces) == [((torch.Size([2]), torch.float32, torch.device("cpu")),)]
    assert calls == [2] * 4 + [5]


def test_records_no_gradient() -> None:
    layer = nn.Linear(2, 2)
    for eager in (0, 1):
        assert not Traced(layer, layer, eager)(torch.ones(1, 2)).requires_grad


@pytest.mark.parametrize(
    "space",
    [
        gym.spaces.Discrete(5, start=2),
        gym.spaces.MultiDiscrete([3, 2, 4]),
        gym.spaces.Box(-1, 1, (3,)),
        gym.spaces.Box(0, 10, (7, 7, 3), np.uint8),
        gym.spaces.Box(0, 255, (32, 32, 3), np.uint8),
        gym.spaces.Text(6),
    ],
    ids=["discrete", "multidiscrete", "vector", "grid", "image", "text"],
)
def test_embeddings_traced_on_one_batch_hold_on_another(space: gym.Space) -> None:
    """Also where the number of different elements in a batch changes, which some codecs look at."""
    space.seed(0)
    texts = {"texts": ["a", "b", "c"]} if isinstance(space, gym.spaces.Text) else {}
    codec = build_codec(space, 16, texts, role="observation").eval()
    draw = [space.sample(mask=None) for _ in range(12)]
    if isinstance(space, gym.spaces.Box) and space.shape == (7, 7, 3):
        draw = [x % np.array([11, 6, 4], np.uint8) for x in draw]
    x = torch.from_numpy(codec.encode(space, draw))
    traced = Traced(codec, codec.embed, eager=0)
    for batch in (x[:4], x[4:8], x[:1].expand(4, *x.shape[1:])):
        with torch.no_grad():
            torch.testing.assert_close(traced(batch), codec.embed(batch))
