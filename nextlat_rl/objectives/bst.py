"""BST, the Belief State Transformer (Hu et al., arXiv 2410.23506): prefix and suffix predict the tokens between them.

h_t = Trunk(x_0..x_t)                         state of the prefix
b_s = Backward(x_T..x_s)                      state of the suffix, by a second transformer over reversed episodes
x_{t+1} ~ heads(h_t + J_next[h_t ; b_s])      the next token, for t + 1 < s
x_{s-1} ~ heads(b_s + J_previous[h_t ; b_s])  the previous token; for s = t + 2 both are the same

Every pair t + 1 < s of an episode is an example; a fraction of them is drawn. For an empty suffix J adds nothing: there
the prediction is heads(h_t), the next-token loss of every position, so acting, whose suffix is empty, needs the trunk
alone.
"""

from typing import ClassVar, cast

import torch
from torch import Tensor, nn

from nextlat_rl.models.config import TrunkConfig
from nextlat_rl.models.nextlat import NextLat
from nextlat_rl.models.transformer import Transformer
from nextlat_rl.objectives.base import Objective, TrainingModules
from nextlat_rl.objectives.forward import Forward
from nextlat_rl.objectives.token_loss import token_loss
from nextlat_rl.types import Batch, taken


class Backward(TrainingModules):
    """The backward encoder, as large as the trunk, and J, a two-layer network with two outputs."""

    objective = "bst"

    def __init__(self, trunk: TrunkConfig, horizon: int) -> None:
        super().__init__(trunk, horizon)
        self.encoder = Transformer(trunk)
        self.join = nn.Sequential(
            nn.Linear(2 * trunk.width, 2 * trunk.width), nn.GELU(), nn.Linear(2 * trunk.width, 2 * trunk.width)
        )

    def suffixes(self, step_embedding: Tensor, segment: Tensor) -> Tensor:
        """b_s `[B, L, D]` of embedded steps `[B, L, D]`."""
        return self.encoder(step_embedding.flip(1), segment.flip(1)).flip(1)

    def states(self, prefix: Tensor, suffix: Tensor) -> tuple[Tensor, Tensor]:
        """Predictors of the next and of the previous token, `[R, D]` each, from h_t and b_s `[R, D]`."""
        following, previous = self.join(torch.cat((prefix, suffix), dim=-1)).chunk(2, dim=-1)
        return prefix + following, suffix + previous


class BeliefState(Objective):
    """The Belief State Transformer."""

    name = "bst"
    modules = Backward
    added_weights: ClassVar[dict[str, float]] = {"pair_next": 1.0, "pair_previous": 1.0}

    def added_losses(self, model: NextLat, batch: Batch, out: Forward, generator: torch.Generator) -> dict[str, Tensor]:
        """`pair_next` and `pair_previous`, means over a random subset of the pairs."""
        backward = cast("Backward", model.baseline)
        row, t, s = draw_pairs(batch, self.config.pair_fraction, generator)
        suffix = backward.suffixes(model.split(out.step_embedding)[0], batch.segment)
        prefix = model.split(out.belief)[0]
        following, previous = backward.states(taken(prefix, (row, t)), taken(suffix, (row, s)))
        return {
            "pair_next": token_loss(model, batch, out, following, (row, t), self.config),
            # The token before x_s is x_{s-1}, which follows column s - 2.
            "pair_previous": token_loss(model, batch, out, previous, (row, s - 2), self.config),
        }


OBJECTIVE = BeliefState


def draw_pairs(batch: Batch, fraction: float, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Row, t and s `[R]` of a random `fraction` of the pairs t + 1 < s of each episode in the windows."""
    segment = batch.segment
    together = (segment[:, :, None] == segment[:, None, :]) & batch.valid[:, :, None]
    row, t, s = together.triu(2).nonzero(as_tuple=True)
    count = round(fraction * len(row))
    chosen = torch.randperm(len(row), generator=generator)[:count].to(row.device)
    return row[chosen], t[chosen], s[chosen]
