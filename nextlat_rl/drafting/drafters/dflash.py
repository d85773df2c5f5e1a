"""DFlash's block drafting: a small bidirectional network fills a block of masks in one pass, its context the beliefs.

The last true beliefs are keys and values in every layer; the block begins with the step that is known.
"""

import torch
from torch import Tensor, nn

from nextlat_rl.drafting.drafter import LONGEST, BlockDrafter
from nextlat_rl.drafting.net import FeatureNet, rolled_places
from nextlat_rl.drafting.token import Token, embed_token
from nextlat_rl.memory import Memory
from nextlat_rl.models.nextlat import NextLat
from nextlat_rl.objectives.forward import Forward
from nextlat_rl.objectives.latent import random_positions
from nextlat_rl.types import Batch, BatchIndex

_CONTEXT = 16  # beliefs looked at
_LAYERS = 2


class DFlashNet(FeatureNet):
    """Self-attention within the block, attention to the beliefs, MLP; twice."""

    def __init__(self, model: NextLat) -> None:
        super().__init__(model)
        trunk = model.config
        width = trunk.width
        self.mask = nn.Parameter(0.02 * torch.randn(width))
        self.slot = nn.Parameter(0.02 * torch.randn(LONGEST, width))
        self.age = nn.Parameter(0.02 * torch.randn(_CONTEXT, width))
        layers = [
            nn.TransformerDecoderLayer(width, trunk.heads, 4 * width, 0.0, "gelu", batch_first=True, norm_first=True)
            for _ in range(_LAYERS)
        ]
        self.layers = nn.ModuleList(layers)
        self.norm = nn.LayerNorm(width)
        self.change = nn.Linear(width, model.num_numbers)

    def forward(self, context: Tensor, known: Tensor, first: Tensor, length: int) -> Tensor:
        """Features of the step `first` and of the `length - 1` after it.

        Args:
            context: `[B, C, D + N]` the last true beliefs, oldest first.
            known: `[B, C]` bool, whether there is one; the newest always is.
            first: `[B, D + N]` emb(x_{t+1}); the numbers of later steps are guessed as changes of its own.
            length: K.
        """
        width = self.mask.shape[0]
        first, numbers = first[:, :width], first[:, None, width:]
        block = torch.cat((first[:, None], self.mask.expand(len(first), length - 1, -1)), 1) + self.slot[:length]
        memory = context[..., :width] + self.age
        for layer in self.layers:
            block = layer(block, memory, memory_key_padding_mask=~known)
        block = self.norm(block)
        return torch.cat((block, numbers + self.change(block)), -1)

    def predict(
        self, model: NextLat, batch: Batch, out: Forward, generator: torch.Generator
    ) -> tuple[BatchIndex, Tensor]:
        """Whole blocks from a random subset of positions."""
        row, column = random_positions(batch.has_next, 256, generator)
        back = column[:, None] + torch.arange(1 - _CONTEXT, 1, device=column.device)
        seen = back.clamp_min(0)
        known = (back >= 0) & (batch.segment[row[:, None], seen] == batch.segment[row, column][:, None])
        (rows, columns), inside = rolled_places(batch, (row, column), LONGEST)
        first = out.step_embedding[row, (column + 1).clamp_max(batch.segment.shape[1] - 1)]
        feature = self(out.belief[row[:, None], seen], known, first, LONGEST).flatten(0, 1)
        kept = inside.flatten()
        return (rows[kept], columns[kept]), feature[kept]


class DFlashDrafter(BlockDrafter):
    """Remembers the last true beliefs of every row."""

    net_class = DFlashNet

    def __init__(self, model: NextLat, net: DFlashNet) -> None:
        super().__init__(model)
        self.net = net

    def begin(self, memory: Memory) -> None:
        """The belief at the first draft is the only one known."""
        self._behind = True

    def _start(self, belief: Tensor) -> None:
        """Forget everything and begin at `belief: [B, D]`."""
        batch, width = belief.shape
        self.context = belief.new_zeros(batch, _CONTEXT, width)
        self.known = torch.zeros(batch, _CONTEXT, dtype=torch.bool, device=belief.device)
        self.context[:, -1], self.known[:, -1] = belief, True
        self._behind = False

    def features(self, belief: Tensor, token: Token, length: int) -> Tensor:
        """One pass."""
        if self._behind:
            self._start(belief)
        return self.net(self.context, self.known, embed_token(self.heads, token), length)

    def advance(self, belief: Tensor, chunk: Token, hidden: Tensor, kept: Tensor) -> None:
        """Shift the new beliefs of each row in, but for a round without a draft, as `CachedDrafter` does."""
        if hidden.shape[1] == 1:
            self._behind = True
            return
        if self._behind:
            self._start(belief)
        everything = torch.cat((self.context, hidden), 1)
        known = torch.cat((self.known, torch.ones_like(hidden[..., 0], dtype=torch.bool)), 1)
        at = (kept + 1)[:, None] + torch.arange(_CONTEXT, device=kept.device)
        rows = torch.arange(len(kept), device=kept.device)[:, None]
        self.context, self.known = everything[rows, at], known[rows, at]


DRAFTER = DFlashDrafter
