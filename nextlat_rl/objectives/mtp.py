"""MTP, multi-token prediction (Gloeckle et al., arXiv 2404.19737): one block for each step ahead.

z_t     = the residual stream below the trunk's last block, shared by all predictions
x_{t+1} ~ heads(norm(last block(z)_t)) = heads(h_t)     the next token
x_{t+1+i} ~ heads(norm(block_i(z)_t)),  i = 1..horizon  tokens further on, without the ones between

So L layers are L - 1 shared ones and one for the next token; norm and heads (the unembedding) are shared.
"""

from typing import ClassVar, cast

import torch
from torch import Tensor, nn

from nextlat_rl.models.config import TrunkConfig
from nextlat_rl.models.nextlat import NextLat
from nextlat_rl.models.transformer import Block, initialise
from nextlat_rl.objectives.base import Objective, TrainingModules
from nextlat_rl.objectives.forward import Forward
from nextlat_rl.objectives.token_loss import positions_ahead, token_loss
from nextlat_rl.types import Batch, taken


class Blocks(TrainingModules):
    """`horizon` blocks like the trunk's last, in parallel with it."""

    objective = "mtp"

    def __init__(self, trunk: TrunkConfig, horizon: int) -> None:
        super().__init__(trunk, horizon)
        self.blocks = nn.ModuleList(Block(trunk.width, trunk.heads) for _ in range(horizon))
        initialise(self.blocks, trunk.layers)


class MultiToken(Objective):
    """Multi-token prediction."""

    name = "mtp"
    modules = Blocks
    added_weights: ClassVar[dict[str, float]] = {"ahead": 1.0}

    def added_losses(self, model: NextLat, batch: Batch, out: Forward, generator: torch.Generator) -> dict[str, Tensor]:
        """`ahead`: a sum over the steps ahead, each a mean over the positions whose episode goes that far."""
        rotation, mask = model.trunk.surroundings(batch.segment, out.shared.dtype)
        losses = []
        for i, block in enumerate(cast("Blocks", model.baseline).blocks, start=1):
            row, column = positions_ahead(batch, i)
            state = model.trunk.norm(taken(block(out.shared, rotation, mask), (row, column)))
            losses.append(token_loss(model, batch, out, state, (row, column + i), self.config))
        return {"ahead": torch.stack(losses).sum()}


OBJECTIVE = MultiToken
