"""MTP, multi-token prediction (Gloeckle et al., arXiv 2404.19737): a block of its own for each step ahead.

z_t     = the residual stream below the trunk's last block: what all predictions share
x_{t+1} ~ heads(norm(last block(z)_t)) = heads(h_t)     the next token, as ever
x_{t+1+i} ~ heads(norm(block_i(z)_t)),  i = 1..horizon  tokens further on, blind to the ones between

So L layers are L - 1 shared ones and one for the next token, and norm and heads (the unembedding) are shared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from nextlat_rl.models.transformer import Block, TrunkConfig, initialise
from nextlat_rl.objectives.base import Baseline, ahead, token_loss

if TYPE_CHECKING:
    from nextlat_rl.models.nextlat import NextLat
    from nextlat_rl.objectives.objective import Forward, ObjectiveConfig
    from nextlat_rl.types import Batch


class MultiToken(Baseline):
    """`horizon` blocks like the trunk's last, side by side with it."""

    def __init__(self, trunk: TrunkConfig, horizon: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(trunk.width, trunk.heads) for _ in range(horizon))
        initialise(self.blocks, trunk.layers)

    def losses(
        self, model: NextLat, batch: Batch, out: Forward, config: ObjectiveConfig, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """`ahead`: a sum over the steps ahead, each a mean over the positions whose episode goes so far."""
        rotation, mask = model.trunk.surroundings(batch.segment, out.shared.dtype)
        losses = []
        for i, block in enumerate(self.blocks, start=1):
            row, column = ahead(batch, i)
            state = model.trunk.norm(block(out.shared, rotation, mask)[row, column])
            losses.append(token_loss(model, batch, out, state, (row, column + i), config))
        return {"ahead": torch.stack(losses).sum()}
