"""A causal transformer trunk with rotary positions, a sliding context and a per-row KV cache.

The full pass over packed windows and the cached pass, one step or a few at a time, give the same hidden states: in
both, position `t` sees the positions `t - context + 1 .. t` of its own episode.
"""

from collections.abc import Callable, Collection, Iterable
from copy import copy
from functools import cached_property
from typing import Any, cast

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from nextlat_rl.models.config import TrunkConfig
from nextlat_rl.models.packed import PackableLinear, Packing
from nextlat_rl.tracing import Traced

# A pass over at most so many steps spends most of its time outside matrix products, so it is traced, for a few lengths
# of the cache: powers of two from `_SHORTEST`.
_FEW = 32
_SHORTEST = 32


class KVCache:
    """Keys and values of the last `capacity` positions of `batch_size` independent rows.

    A ring buffer: `slot_position[b, s]` is the position held by slot `s` of row `b`, or -1. Rows may be at different
    positions, and are reset and cropped one by one.
    """

    def __init__(self, trunk: "Transformer", batch_size: int, capacity: int | None = None) -> None:
        weight = trunk.norm.weight
        size = capacity or trunk.context
        shape = (len(trunk.blocks), 2, batch_size, trunk.heads, size, trunk.width // trunk.heads)
        self.capacity = size
        self.entries = torch.zeros(shape, device=weight.device, dtype=weight.dtype)
        self.slot_position = torch.full((batch_size, size), -1, device=weight.device)
        self.position = torch.zeros(batch_size, dtype=torch.long, device=weight.device)

    def reset(self, rows: Tensor) -> None:
        """Empty `rows` (`[B]` bool), where a new episode starts."""
        self.slot_position.masked_fill_(rows[:, None], -1)
        self.position.masked_fill_(rows, 0)

    def crop(self, length: Tensor) -> None:
        """Keep the first `length` (`[B]` int) positions of every row, as after a rejected draft."""
        self.slot_position.masked_fill_(self.slot_position >= length[:, None], -1)
        self.position.copy_(torch.minimum(self.position, length))

    def index_select(self, rows: Tensor) -> "KVCache":
        """A copy of `rows` (`[R]` int)."""
        part = copy(self)
        part.entries = self.entries[:, :, rows]
        part.slot_position, part.position = self.slot_position[rows], self.position[rows]
        return part

    def index_copy(self, rows: Tensor, part: "KVCache") -> None:
        """Replace `rows` (`[R]` int) by `part`, a changed copy from `index_select`."""
        self.entries[:, :, rows] = part.entries
        self.slot_position[rows], self.position[rows] = part.slot_position, part.position


class Attention(nn.Module):
    """Causal multi-head self-attention with rotary position embeddings."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = PackableLinear(width, 3 * width, bias=False)
        self.out = PackableLinear(width, width, bias=False)

    def project(self, x: Tensor, rotation: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Rotated queries and keys and the values, `[B, H, L, D / H]` each, of `x: [B, L, D]`."""
        width = x.shape[-1]
        turned, v = self.qkv(x).split((2 * width, width), dim=-1)
        q, k = rotate(rearrange(turned, "b l (two h d) -> two b h l d", two=2, h=self.heads), rotation)
        return q, k, rearrange(v, "b l (h d) -> b h l d", h=self.heads)

    def attend(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
        """Attention output `[B, L, D]`; `mask: [B, 1, L, S]` is added to the scores."""
        return self.out(rearrange(F.scaled_dot_product_attention(q, k, v, attn_mask=mask), "b h l d -> b l (h d)"))


class Block(nn.Module):
    """Pre-norm attention and MLP."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(PackableLinear(width, 4 * width), nn.GELU(), PackableLinear(4 * width, width))

    def forward(self, x: Tensor, rotation: Tensor, mask: Tensor) -> Tensor:
        """One block over whole windows, `[B, L, D] -> [B, L, D]`."""
        x = x + self.attention.attend(*self.attention.project(self.norm1(x), rotation), mask)
        return x + self.mlp(self.norm2(x))


class Transformer(nn.Module):
    """The trunk: embedded steps `[B, L, D]` in, beliefs `[B, L, D]` (after the final norm) out."""

    def __init__(self, config: TrunkConfig) -> None:
        super().__init__()
        self.width, self.heads, self.context = config.width, config.heads, config.context
        self.blocks = nn.ModuleList(Block(config.width, config.heads) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)
        self._packing: Packing | None = None
        initialise(self.blocks, config.layers)

    def pack(self) -> None:
        """Make `extend` faster until the weights change, at the cost of a second copy of them."""
        if Packing.possible(self.norm.weight):
            self._packing = Packing(self.blocks)
            self.__dict__.pop("_traced_read", None)

    def _unpack_if_stale(self) -> None:
        if self._packing is not None and self._packing.stale():
            self._packing.undo()
            self._packing = None
            self.__dict__.pop("_traced_read", None)

    def forward(self, x: Tensor, segment: Tensor, layers: int | None = None) -> Tensor:
        """Beliefs of packed windows.

        Args:
            x: `[B, L, D]` embedded steps.
            segment: `[B, L]` episode index of each column; episodes do not see each other.
            layers: stop after so many blocks, before the final norm.
        """
        stream = self.stream(x, segment, layers)
        return self.norm(stream[-1]) if layers is None else stream[-1]

    def stream(
        self, x: Tensor, segment: Tensor, layers: int | None = None, dropped: Collection[int] = ()
    ) -> list[Tensor]:
        """The residual stream: `x` and the output of each block, `[B, L, D]` each; arguments as in `forward`.

        Blocks whose numbers are among `dropped` are skipped.
        """
        rotation, mask = self.surroundings(segment, x.dtype)
        stream = [x]
        for number, block in enumerate(self.blocks[:layers]):
            stream.append(stream[-1] if number in dropped else block(stream[-1], rotation, mask))
        return stream

    def surroundings(self, segment: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Rotation table and scores mask of packed windows, which every block needs."""
        position = torch.arange(segment.shape[1], device=segment.device)
        distance = position[:, None] - position[None, :]
        visible = (distance >= 0) & (distance < self.context) & (segment[:, :, None] == segment[:, None, :])
        return rotation_table(position, self.width // self.heads), additive_mask(visible, dtype)

    @torch.no_grad()
    def extend(self, x: Tensor, cache: KVCache, layers: int | None = None) -> Tensor:
        """Beliefs of `K` further steps of every row, `[B, K, D] -> [B, K, D]`; the cache grows by `K`. No gradients.

        A cache of `capacity >= context + K - 1` makes this equal to the full pass. `layers` is as in `forward`.
        """
        self._unpack_if_stale()
        steps = x.shape[1]
        position = cache.position[:, None] + torch.arange(steps, device=x.device)  # [B, K]
        cache.slot_position.scatter_(1, position % cache.capacity, position)
        cache.position += steps
        used = int(cache.position.max())
        traced = x.shape[0] * steps <= _FEW
        if traced:
            used = max(_SHORTEST, 1 << (used - 1).bit_length())
        used = min(cache.capacity, used)
        read = self._traced_read if traced else self._read
        x = read(x, position, cache.slot_position[:, :used], cache.entries[:layers, :, :, :, :used])
        return self.norm(x) if layers is None else x

    def _read(self, x: Tensor, position: Tensor, slot_position: Tensor, entries: Tensor) -> Tensor:
        """The residual stream `[B, K, D]` after as many blocks as `entries: [layers, 2, B, H, S, D / H]` has.

        Writes keys and values of `x: [B, K, D]` at `position: [B, K]` into `entries`; `slot_position: [B, S]` already
        includes them. Repeating the call changes nothing.
        """
        distance = position[:, :, None] - slot_position[:, None]
        mask = additive_mask((distance >= 0) & (distance < self.context) & (slot_position[:, None] >= 0), x.dtype)
        rotation = rotation_table(position[:, None, :], self.width // self.heads)
        rows = torch.arange(x.shape[0], device=x.device)[:, None]
        # A ring that has wrapped is read whole, so that a slot is a position modulo what is read.
        slot = position % entries.shape[4]
        for block, (keys, values) in zip(cast("Iterable[Block]", self.blocks), entries, strict=False):
            q, k, v = block.attention.project(block.norm1(x), rotation)
            keys[rows, :, slot] = k.transpose(1, 2)
            values[rows, :, slot] = v.transpose(1, 2)
            x = x + block.attention.attend(q, keys, values, mask)
            x = x + block.mlp(block.norm2(x))
        return x

    @cached_property
    def _traced_read(self) -> Callable[..., Tensor]:
        return Traced(self, self._read)

    def __getstate__(self) -> dict[str, Any]:
        """A copy makes its own traces and has no packed weights."""
        return {name: value for name, value in self.__dict__.items() if name != "_traced_read"} | {"_packing": None}


def dropped_layers(layers: int, rate: float, generator: torch.Generator) -> set[int]:
    """Numbers of the blocks that a training step skips: the first with probability 0, the last with `rate`.

    In between the probability rises with depth. LayerSkip's layer dropout (arXiv 2404.16710), drawn once for a batch.
    """
    depth = torch.arange(layers) / max(layers - 1, 1)
    chosen = torch.rand(layers, generator=generator, dtype=torch.float32) < rate * (2**depth - 1)
    return set(chosen.nonzero().squeeze(1).tolist())


def rotation_table(position: Tensor, dimension: int) -> Tensor:
    """Unit complex numbers of the rotary angles, `[*position.shape, dimension / 2]` (RoFormer, arXiv 2104.09864)."""
    frequency = 10_000.0 ** (-torch.arange(0, dimension, 2, device=position.device, dtype=torch.float32) / dimension)
    angle = position[..., None].float() * frequency
    return torch.polar(torch.ones_like(angle), angle)


def rotate(x: Tensor, rotation: Tensor) -> Tensor:
    """Rotate the pairs of neighbours in the last dimension of `x: [*, L, D / H]` by the angles of their positions."""
    pairs = torch.view_as_complex(x.float().unflatten(-1, (-1, 2)))
    return torch.view_as_real(pairs * rotation).flatten(-2).type_as(x)


def additive_mask(visible: Tensor, dtype: torch.dtype) -> Tensor:
    """`[B, L, S]` bool to the `[B, 1, L, S]` scores mask: 0 where visible, a large negative number elsewhere."""
    mask = torch.zeros(visible.shape, dtype=dtype, device=visible.device)
    return mask.masked_fill_(~visible, torch.finfo(dtype).min)[:, None]


def initialise(blocks: nn.ModuleList, depth: int) -> None:
    """GPT-2's initialisation: normal, and smaller in the output layers of the `depth` blocks of a residual stream."""
    blocks.apply(_initialise)
    for block in cast("Iterable[Block]", blocks):
        for weight in (block.attention.out.weight, cast("nn.Linear", block.mlp[2]).weight):
            nn.init.normal_(weight, std=0.02 / (2 * depth) ** 0.5)


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
