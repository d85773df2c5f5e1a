"""Promise 2: cached, packed and one-by-one passes agree; nothing leaks from the future or from other episodes."""

from copy import deepcopy

import pytest
import torch
from torch import Tensor

from nextlat_rl.models.config import TrunkConfig
from nextlat_rl.models.transformer import KVCache, Transformer, dropped_layers
from nextlat_rl.tracing import Traced

TOLERANCE = 1e-5


def trunk(context: int = 64) -> Transformer:
    torch.manual_seed(0)
    return Transformer(TrunkConfig(layers=3, heads=2, width=16, context=context)).eval()


@torch.no_grad()
@pytest.mark.parametrize("rows", [3, 33])  # few are traced, many are not
@pytest.mark.parametrize("context", [4, 64])
def test_cached_steps_equal_full_pass(context: int, rows: int) -> None:
    model, x = trunk(context), torch.randn(rows, 50, 16)
    full = model(x, torch.zeros(rows, 50, dtype=torch.long))
    cache, slow = KVCache(model, rows), Traced.slow
    steps = torch.stack([model.extend(x[:, t : t + 1], cache)[:, 0] for t in range(50)], 1)
    torch.testing.assert_close(steps, full, atol=TOLERANCE, rtol=0)
    # Past 32 positions a longer part of the cache is read; a ring of 4 is always read whole.
    lengths = 2 if context > 4 else 1
    assert Traced.slow - slow == (rows == 3) * lengths * 4  # three as they are, and the trace
    assert rows != 3 or len(model._traced_read._traces) == lengths  # type: ignore[attr-defined]


@torch.no_grad()
def test_a_copy_has_its_own_traces() -> None:
    model, x = trunk(), torch.randn(1, 1, 16)

    def read(model: Transformer) -> Tensor:
        beliefs = [model.extend(x, KVCache(model, 1)) for _ in range(10)]
        assert model._traced_read._traces  # type: ignore[attr-defined]
        return beliefs[-1]

    read(model)
    copied = deepcopy(model)
    before = read(copied)
    copied.blocks[0].norm1.weight.mul_(2.0)  # type: ignore[operator,union-attr]
    after = read(copied)
    assert not torch.allclose(before, after)
    torch.testing.assert_close(after, copied(x, torch.zeros(1, 1, dtype=torch.long)))
    torch.testing.assert_close(read(model), before)


@torch.no_grad()
@pytest.mark.parametrize("context", [4, 64])
def test_cached_chunks_equal_full_pass(context: int) -> None:
    model, x = trunk(context), torch.randn(2, 12, 16)
    full = model(x, torch.zeros(2, 12, dtype=torch.long))
    cache = KVCache(model, 2, capacity=context + 3)
    chunks = torch.cat([model.extend(x[:, t : t + 4], cache) for t in (0, 4, 8)], 1)
    torch.testing.assert_close(chunks, full, atol=TOLERANCE, rtol=0)


@torch.no_grad()
def test_packed_equals_one_by_one() -> None:
    model, x = trunk(), torch.randn(1, 12, 16)
    segment = torch.tensor([[0] * 5 + [1] * 4 + [2] * 3])
    packed = model(x, segment)
    alone = [model(part, torch.zeros(1, part.shape[1], dtype=torch.long)) for part in x.split([5, 4, 3], dim=1)]
    torch.testing.assert_close(packed, torch.cat(alone, 1), atol=TOLERANCE, rtol=0)


def test_no_leak_from_future_or_other_episodes() -> None:
    model = trunk()
    x = torch.randn(1, 9, 16, requires_grad=True)
    segment = torch.tensor([[0] * 4 + [1] * 5])
    for t in range(9):
        (gradient,) = torch.autograd.grad(model(x, segment)[0, t].square().sum(), x)
        reached = (gradient[0].abs().sum(-1) > 0).nonzero().squeeze(1).tolist()
        assert reached == list(range(0 if t < 4 else 4, t + 1))


def test_context_bounds_what_one_layer_sees() -> None:
    torch.manual_seed(0)
    model = Transformer(TrunkConfig(layers=1, heads=2, width=16, context=3))
    x = torch.randn(1, 8, 16, requires_grad=True)
    (gradient,) = torch.autograd.grad(model(x, torch.zeros(1, 8, dtype=torch.long))[0, 6].square().sum(), x)
    assert (gradient[0].abs().sum(-1) > 0).nonzero().squeeze(1).tolist() == [4, 5, 6]


@torch.no_grad()
def test_crop_forgets_a_rejected_draft() -> None:
    model, x, draft = trunk(), torch.randn(2, 6, 16), torch.randn(2, 3, 16)
    straight, drafted = KVCache(model, 2), KVCache(model, 2)
    model.extend(x[:, :4], straight)
    model.extend(x[:, :4], drafted)
    model.extend(draft, drafted)
    drafted.crop(torch.tensor([4, 4]))
    torch.testing.assert_close(
        model.extend(x[:, 4:], drafted), model.extend(x[:, 4:], straight), atol=TOLERANCE, rtol=0
    )


@torch.no_grad()
def test_rows_crop_to_different_lengths() -> None:
    model, x = trunk(), torch.randn(2, 6, 16)
    cache = KVCache(model, 2)
    model.extend(x, cache)
    cache.crop(torch.tensor([2, 5]))
    after = model.extend(torch.stack((x[0, 2:3], x[1, 5:6])), cache)
    full = model(x, torch.zeros(2, 6, dtype=torch.long))
    torch.testing.assert_close(after[:, 0], torch.stack((full[0, 2], full[1, 5])), atol=TOLERANCE, rtol=0)


@torch.no_grad()
def test_reset_starts_a_new_episode_in_one_row() -> None:
    model, x = trunk(), torch.randn(2, 7, 16)
    cache = KVCache(model, 2)
    model.extend(x[:, :4], cache)
    cache.reset(torch.tensor([True, False]))
    after = model.extend(x[:, 4:], cache)
    fresh = model(x[:1, 4:], torch.zeros(1, 3, dtype=torch.long))
    full = model(x, torch.zeros(2, 7, dtype=torch.long))
    torch.testing.assert_close(after[0], fresh[0], atol=TOLERANCE, rtol=0)
    torch.testing.assert_close(after[1], full[1, 4:], atol=TOLERANCE, rtol=0)


def test_deeper_layers_are_dropped_more_often() -> None:
    """The first never, the last of five at the rate, the middle one at sqrt(2) - 1 of it."""
    generator = torch.Generator().manual_seed(0)
    draws = [dropped_layers(5, 0.4, generator) for _ in range(4000)]
    share = [sum(layer in dropped for dropped in draws) / len(draws) for layer in range(5)]
    assert share[0] == 0.0
    assert share[2] == pytest.approx(0.4 * (2**0.5 - 1), abs=0.03)
    assert share[4] == pytest.approx(0.4, abs=0.03)
    assert dropped_layers(1, 1.0, generator) == set()
    assert dropped_layers(5, 0.0, generator) == set()


@torch.no_grad()
def test_a_dropped_layer_is_as_if_it_were_not_there() -> None:
    model, x, segment = trunk(), torch.randn(2, 6, 16), torch.zeros(2, 6, dtype=torch.long)
    stream = model.stream(x, segment, dropped={1})
    assert len(stream) == 4
    del model.blocks[1]
    torch.testing.assert_close(stream[-1], model.stream(x, segment)[-1])
