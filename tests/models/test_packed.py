"""Packed weights: the same results for a few rows, given up as soon as the weights change."""

from copy import deepcopy

import pytest
import torch
from torch import Tensor

from nextlat_rl.models.config import TrunkConfig
from nextlat_rl.models.packed import FEW_ROWS, PackableLinear, Packing
from nextlat_rl.models.transformer import KVCache, Transformer

pytestmark = pytest.mark.skipif(
    not Packing.possible(torch.zeros(1)), reason="this build of torch has no packed products"
)
WIDTH = 256  # from here on weights are packed


def make_trunk(seed: int = 0) -> Transformer:
    torch.manual_seed(seed)
    return Transformer(TrunkConfig(layers=2, heads=4, width=WIDTH, context=64)).eval()


def read(trunk: Transformer, x: Tensor) -> Tensor:
    """The last of several readings, when a trace has been made."""
    return [trunk.extend(x, KVCache(trunk, len(x), 80)) for _ in range(10)][-1]


def packed(trunk: Transformer) -> int:
    return sum(layer.packed is not None for layer in trunk.modules() if isinstance(layer, PackableLinear))


@pytest.mark.parametrize(("batch", "steps"), [(1, 1), (1, 9), (1, 17), (4, 3), (2, 40)])
def test_packed_and_plain_read_the_same(batch: int, steps: int) -> None:
    trunk, x = make_trunk(), torch.randn(batch, steps, WIDTH)
    plain = read(trunk, x)
    trunk.pack()
    assert packed(trunk) == 8
    assert torch.allclose(read(trunk, x), plain, atol=1e-4)
    assert torch.allclose(read(trunk, x), trunk(x, torch.zeros(batch, steps)), atol=1e-4)


def test_changed_weights_are_not_read_from_the_copy() -> None:
    trunk, other, x = make_trunk(), make_trunk(1), torch.randn(1, 4, WIDTH)
    trunk.pack()
    before = read(trunk, x)
    trunk.load_state_dict(other.state_dict())
    assert packed(trunk) == 8  # nobody has read yet
    after = read(trunk, x)
    assert packed(trunk) == 0
    assert torch.allclose(after, read(other, x), atol=1e-5)
    assert not torch.allclose(after, before, atol=1e-2)


def test_an_optimiser_step_unpacks() -> None:
    trunk, x = make_trunk(), torch.randn(1, 4, WIDTH)
    trunk.pack()
    optimiser = torch.optim.AdamW(trunk.parameters(), lr=0.1)
    trunk(x, torch.zeros(1, 4)).square().sum().backward()
    optimiser.step()
    assert torch.allclose(read(trunk, x), trunk(x, torch.zeros(1, 4)), atol=1e-4)
    assert packed(trunk) == 0


def test_another_precision_unpacks() -> None:
    trunk, x = make_trunk(), torch.randn(1, 4, WIDTH)
    trunk.pack()
    read(trunk, x)
    trunk.double()
    assert torch.allclose(read(trunk, x.double()), trunk(x.double(), torch.zeros(1, 4)))


def test_copies_and_checkpoints_hold_plain_weights() -> None:
    trunk, x = make_trunk(), torch.randn(1, 4, WIDTH)
    names = set(trunk.state_dict())
    trunk.pack()
    expected = read(trunk, x)
    copy = deepcopy(trunk)
    assert packed(copy) == 0
    assert set(trunk.state_dict()) == set(copy.state_dict()) == names
    assert torch.allclose(read(copy, x), expected, atol=1e-4)


def test_gradients_and_many_rows_use_the_plain_weights() -> None:
    layer = PackableLinear(WIDTH, WIDTH)
    layer.pack()
    with torch.no_grad():
        layer.weight.zero_()  # a packed product would still see the old ones
        assert not torch.equal(layer(torch.ones(FEW_ROWS, WIDTH))[0], layer.bias)
        assert torch.equal(layer(torch.ones(FEW_ROWS + 1, WIDTH))[0], layer.bias)
    assert torch.equal(layer(torch.ones(1, WIDTH))[0], layer.bias)


def test_small_weights_are_left_alone() -> None:
    torch.manual_seed(0)
    trunk = Transformer(TrunkConfig(layers=2, heads=4, width=64, context=64)).eval()
    trunk.pack()
    assert packed(trunk) == 0
