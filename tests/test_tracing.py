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
    traced = Traced(layer, lambda x: layer(x).relu())
    x = torch.randn(5, 3)
    for _ in range(3):
        assert torch.equal(traced(x), layer(x).relu())
        with torch.no_grad():
            layer.weight.add_(1.0)


def test_every_shape_gets_its_own_trace() -> None:
    layer = nn.Identity()
    traced, before = Traced(layer, lambda x: x.sum(0) * x.shape[0]), 0
    for size in (1, 4, 2, 4):
        x = torch.arange(3.0 * size).view(size, 3)
        made = Traced.made
        assert torch.equal(traced(x), x.sum(0) * size)
        assert Traced.made - made == (len(traced._traces) == before + 1)
        before = len(traced._traces)
    assert before == 3


def test_records_no_gradient() -> None:
    layer = nn.Linear(2, 2)
    assert not Traced(layer, layer)(torch.ones(1, 2)).requires_grad


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
    traced = Traced(codec, codec.embed)
    for batch in (x[:4], x[4:8], x[:1].expand(4, *x.shape[1:])):
        with torch.no_grad():
            torch.testing.assert_close(traced(batch), codec.embed(batch))
