"""One pass of the trunk and the heads over a batch, which every loss shares."""

from collections.abc import Collection
from dataclasses import dataclass

import torch
from torch import Tensor

from nextlat_rl.models.nextlat import NextLat, TransitionParams
from nextlat_rl.types import Batch


@dataclass
class Forward:
    """What the trunk and the heads give for a batch."""

    action_embedding: Tensor  # [B, L, D] emb(a_t)
    previous_action_embedding: Tensor  # [B, L, D] emb(a_{t-1})
    step_embedding: Tensor  # [B, L, D] emb(x_t)
    shared: Tensor  # [B, L, D] input of the trunk's last block
    belief: Tensor  # [B, L, D] h_t
    policy: Tensor  # [B, L, P]
    value: Tensor  # [B, L, P]
    transition: TransitionParams  # [B, L, P]


def forward(model: NextLat, batch: Batch, begin: Tensor | None = None, dropped: Collection[int] = ()) -> Forward:
    """Run the trunk and every head over the windows of a batch.

    `begin: [B, L, D]`, if given, replaces emb(x_t) at an episode's first step and in column 0. The trunk's blocks
    whose numbers are among `dropped` are skipped.
    """
    action_embedding = model.embed_action(batch.action)
    previous = torch.cat((model.embed_action(batch.previous_action[:, :1]), action_embedding[:, :-1]), dim=1)
    x = model.embed_step(previous, batch.previous_reward, batch.observation, batch.is_first)
    if begin is not None:
        x = torch.where(roots(batch)[..., None], begin, x)
    stream = model.trunk.stream(x, batch.segment, dropped=dropped)
    belief = model.trunk.norm(stream[-1])
    return Forward(
        action_embedding=action_embedding,
        previous_action_embedding=previous,
        step_embedding=x,
        shared=stream[-2],
        belief=belief,
        policy=model.action.head(belief),
        value=model.value.head(belief),
        transition=model.transition(model.after(belief, action_embedding)),
    )


def roots(batch: Batch) -> Tensor:
    """Where histories begin, `[B, L]` bool: at an episode's first step and in column 0."""
    starts = batch.is_first.clone()
    starts[:, 0] = True
    return starts
