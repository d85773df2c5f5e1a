"""BST, the Belief State Transformer (Hu et al., arXiv 2410.23506): both sides of a gap predict its outermost tokens.

h_t = Trunk(x_0..x_t)                         the prefix's state, as ever
b_s = Backward(x_T..x_s)                      the suffix's state, a second transformer over reversed episodes
x_{t+1} ~ heads(h_t + J_next[h_t ; b_s])      the next token, for t + 1 < s
x_{s-1} ~ heads(b_s + J_previous[h_t ; b_s])  the previous token; where s = t + 2 it is the same one

Every pair t + 1 < s of an episode is an example, of which a tenth is drawn. To an empty suffix J adds nothing: there
the prediction is heads(h_t), the next-token loss of every position, so acting, whose suffix is empty, needs the trunk
alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from nextlat_rl.models.transformer import Transformer, TrunkConfig
from nextlat_rl.objectives.base import Baseline, token_loss

if TYPE_CHECKING:
    from nextlat_rl.models.nextlat import NextLat
    from nextlat_rl.objectives.objective import Forward, ObjectiveConfig
    from nextlat_rl.types import Batch, BatchIndex


class BeliefState(Baseline):
    """The backward encoder, as large as the trunk, and J, a two-layer network with two outputs."""

    def __init__(self, trunk: TrunkConfig) -> None:
        super().__init__()
        self.encoder = Transformer(trunk)
        self.join = nn.Sequential(
            nn.Linear(2 * trunk.width, 2 * trunk.width), nn.GELU(), nn.Linear(2 * trunk.width, 2 * trunk.width)
        )

    def suffixes(self, step_embedding: Tensor, segment: Tensor) -> Tensor:
        """b_s `[B, L, D]` of embedded steps `[B, L, D]`."""
        return self.encoder(step_embedding.flip(1), segment.flip(1)).flip(1)

    def states(self, prefix: Tensor, suffix: Tensor) -> tuple[Tensor, Tensor]:
        """What predicts the next and the previous token, `[R, D]` each, of h_t and b_s `[R, D]`."""
        following, previous = self.join(torch.cat((prefix, suffix), dim=-1)).chunk(2, dim=-1)
        return prefix + following, suffix + previous

    def losses(
        self, model: NextLat, batch: Batch, out: Forward, config: ObjectiveConfig, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """`pair_next` and `pair_previous`, means over a random share of the pairs."""
        row, t, s = draw_pairs(batch, config.pair_fraction, generator)
        suffix = self.suffixes(out.step_embedding, batch.segment)
        following, previous = self.states(out.belief[row, t], suffix[row, s])
        # The token before x_s is x_{s-1}: what followed column s - 2.
        ends: dict[str, tuple[Tensor, BatchIndex]] = {
            "pair_next": (following, (row, t)),
            "pair_previous": (previous, (row, s - 2)),
        }
        return {name: token_loss(model, batch, out, state, at, config) for name, (state, at) in ends.items()}


def draw_pairs(batch: Batch, fraction: float, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Row, t and s `[R]` of a random `fraction` of the pairs t + 1 < s of each episode in the windows."""
    segment = batch.segment
    together = (segment[:, :, None] == segment[:, None, :]) & batch.valid[:, :, None]
    row, t, s = together.triu(2).nonzero(as_tuple=True)
    count = round(fraction * len(row))
    chosen = torch.randperm(len(row), generator=generator)[:count].to(row.device)
    return row[chosen], t[chosen], s[chosen]
