"""Medusa (arXiv 2401.10774): a residual head on the belief for each position ahead, blind to what is drawn before."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nextlat_rl.drafting.drafter import LONGEST, BlockDrafter
from nextlat_rl.drafting.net import FeatureNet, rolled_places
from nextlat_rl.drafting.token import Token
from nextlat_rl.models.nextlat import NextLat
from nextlat_rl.objectives.forward import Forward
from nextlat_rl.objectives.latent import random_positions
from nextlat_rl.tracing import Traced
from nextlat_rl.types import Batch, BatchIndex


class MedusaNet(FeatureNet):
    """f_k = h_t + SiLU(W_k h_t + b_k) for k = 1..LONGEST; as in the paper W starts at 0."""

    def __init__(self, model: NextLat) -> None:
        super().__init__(model)
        width = model.belief_size
        self.weight = nn.Parameter(torch.zeros(LONGEST, width, width))
        self.bias = nn.Parameter(torch.zeros(LONGEST, width))

    def forward(self, belief: Tensor, length: int = LONGEST) -> Tensor:
        """`[B, D] -> [B, K, D]`."""
        return belief[:, None] + F.silu(torch.einsum("bd,kde->bke", belief, self.weight[:length]) + self.bias[:length])

    def predict(
        self, model: NextLat, batch: Batch, out: Forward, generator: torch.Generator
    ) -> tuple[BatchIndex, Tensor]:
        """All heads at a random subset of positions."""
        starts = random_positions(batch.has_next, 256, generator)
        (row, column), inside = rolled_places(batch, starts, LONGEST)
        feature, kept = self(out.belief[starts]).flatten(0, 1), inside.flatten()
        return (row[kept], column[kept]), feature[kept]


class MedusaDrafter(BlockDrafter):
    """All positions from one belief."""

    net_class = MedusaNet

    def __init__(self, model: NextLat, net: MedusaNet) -> None:
        super().__init__(model)
        self._heads = Traced(net, net.forward)

    def features(self, belief: Tensor, token: Token, length: int) -> Tensor:
        """The step taken is not looked at."""
        return self._heads(belief)[:, :length]


DRAFTER = MedusaDrafter
