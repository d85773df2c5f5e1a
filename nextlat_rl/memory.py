"""What acting carries from one real step to the next."""

from __future__ import annotations

from copy import copy
from typing import Literal

from torch import Tensor

from nextlat_rl.models.nextlat import NextLat
from nextlat_rl.models.transformer import KVCache
from nextlat_rl.tracing import lasting

Acting = Literal["trunk", "recurrent"]


class Memory:
    """What is carried from one real step to the next: a KV cache (`trunk`), and the belief."""

    @lasting
    def __init__(self, model: NextLat, batch_size: int, acting: Acting, draft: int = 0) -> None:
        self.cache = KVCache(model.trunk, batch_size, model.trunk.context + draft) if acting == "trunk" else None
        self.belief = model.start.new_zeros(batch_size, model.belief_size)

    @lasting
    def index_select(self, rows: Tensor) -> Memory:
        """A copy of `rows` (`[R]` int)."""
        part = copy(self)
        part.belief = self.belief[rows]
        part.cache = None if self.cache is None else self.cache.index_select(rows)
        return part

    @lasting
    def index_copy(self, rows: Tensor, part: Memory) -> None:
        """Replace `rows` (`[R]` int) by what `index_select` gave and `observe` has changed since."""
        self.belief[rows] = part.belief
        if self.cache is not None and part.cache is not None:
            self.cache.index_copy(rows, part.cache)
