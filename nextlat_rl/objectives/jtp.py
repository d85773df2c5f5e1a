"""JTP, joint multi-token prediction (Ahn et al., arXiv 2503.21801): the belief and the tokens since predict the next.

e_i       = W [h_t ; emb(x_{t+i})]                        i = 1..horizon, every token read together with the belief
Fetch_i   = norm(e_i + Attention(LN e_1 .. LN e_i))       one causal layer of self-attention over the few tokens
x_{t+i+1} ~ heads(Fetch(h_t, x_{t+1..t+i}))               teacher-forced; i = 0 is the next-token loss

Whatever the future needs of the past has to pass through h_t. Fetch is used in training only.
"""

from typing import ClassVar, cast

import torch
from torch import Tensor, nn

from nextlat_rl.models.config import TrunkConfig
from nextlat_rl.models.nextlat import NextLat
from nextlat_rl.models.transformer import Attention, additive_mask, rotation_table
from nextlat_rl.objectives.base import Objective, TrainingModules
from nextlat_rl.objectives.forward import Forward
from nextlat_rl.objectives.token_loss import positions_ahead, token_loss
from nextlat_rl.types import Batch, taken


class Fetch(TrainingModules):
    """Fetch without its norm; the trunk's final norm and the heads read it."""

    objective = "jtp"

    def __init__(self, trunk: TrunkConfig, horizon: int) -> None:
        super().__init__(trunk, horizon)
        # W in two halves: each position is mapped once, not once for every roll-out that passes it.
        self.from_belief = nn.Linear(trunk.width, trunk.width)
        self.from_step = nn.Linear(trunk.width, trunk.width, bias=False)
        self.norm = nn.LayerNorm(trunk.width)
        self.attention = Attention(trunk.width, trunk.heads)

    def forward(self, e: Tensor) -> Tensor:
        """e_1..e_horizon of R positions, `[R, horizon, D]`, to Fetch before the norm, same shape."""
        position = torch.arange(e.shape[1], device=e.device)
        mask = additive_mask((position[:, None] >= position)[None], e.dtype)
        rotation = rotation_table(position, e.shape[2] // self.attention.heads)
        return e + self.attention.attend(*self.attention.project(self.norm(e), rotation), mask)


class JointMultiToken(Objective):
    """Joint multi-token prediction."""

    name = "jtp"
    modules = Fetch
    added_weights: ClassVar[dict[str, float]] = {"ahead": 1.0}

    def added_losses(self, model: NextLat, batch: Batch, out: Forward, generator: torch.Generator) -> dict[str, Tensor]:
        """`ahead`: a sum over the steps ahead, each a mean over the positions whose episode goes that far."""
        fetch = cast("Fetch", model.baseline)
        horizon = fetch.horizon
        row, column = positions_ahead(batch, 1)
        index = torch.empty_like(batch.segment)  # of a position among those that look ahead
        index[row, column] = torch.arange(len(row), device=row.device)
        # Columns past an episode's end are looked up too, but come after all that count, and Fetch is causal.
        last = batch.segment.shape[1] - 1
        columns = (column[:, None] + torch.arange(1, horizon + 1, device=column.device)).clamp_max(last)
        future = taken(fetch.from_step(model.split(out.step_embedding)[0]), (row[:, None], columns))
        beliefs = taken(fetch.from_belief(model.split(out.belief)[0]), (row[:, None], column[:, None]))
        fetched = model.trunk.norm(fetch(beliefs + future))
        losses = []
        for i in range(1, horizon + 1):
            row, column = positions_ahead(batch, i)
            state = taken(fetched, (index[row, column], torch.full_like(column, i - 1)))
            losses.append(token_loss(model, batch, out, state, (row, column + i), self.config))
        return {"ahead": torch.stack(losses).sum()}


OBJECTIVE = JointMultiToken
