"""The last phase of training: the latent dynamics alone learns to follow whole episodes, as recurrent acting will.

While the trunk still learns, the dynamics chases a moving target over short roll-outs. Once the trunk stands still its
beliefs are fixed targets that cost no backward pass, so roll-outs as long as a window become cheap: they begin at every
episode's first step and at the first column of a window, and run to the end.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from nextlat_rl.models.nextlat import NextLat
from nextlat_rl.objectives.objective import (
    Forward,
    ObjectiveConfig,
    forward,
    head_kl,
    latent_losses,
    random_subset,
    roots,
)
from nextlat_rl.types import Batch


def dynamics_finetune_losses(
    model: NextLat, batch: Batch, config: ObjectiveConfig, generator: torch.Generator
) -> dict[str, Tensor]:
    """Smooth-L1 and KL of roll-outs over whole windows, beside the usual latent losses, as unweighted scalars.

    Only the latent dynamics gets gradients. The usual losses keep its open-loop roll-outs, and grounded ones from the
    middle of an episode, as good as they were.
    """
    with torch.no_grad():
        out = forward(model, batch)
    followed, known = follow(model, batch, out)
    at = known.nonzero(as_tuple=True)
    smooth_l1 = F.smooth_l1_loss(followed[at], out.belief[at])
    chosen = random_subset(len(at[0]), config.min_rollouts, generator).to(known.device)
    at = (at[0][chosen], at[1][chosen])
    kl = head_kl(model, batch, out, at, followed[at], config).mean()
    return latent_losses(model, batch, out, config, generator) | {"latent_finetune": smooth_l1, "kl_finetune": kl}


def follow(model: NextLat, batch: Batch, out: Forward) -> tuple[Tensor, Tensor]:
    """Beliefs `[B, L, D]` that the grounded dynamics carries along, and where there are any, `[B, L]`.

    Each roll-out starts from the trunk's belief, at an episode's first step or in column 0; there is no prediction in
    these columns.
    """
    starts = roots(batch)
    belief = out.belief[:, 0]
    beliefs = [belief]
    for t in range(1, starts.shape[1]):
        carried = model.dynamics(belief, out.step_embedding[:, t])
        belief = torch.where(starts[:, t, None], out.belief[:, t], carried)
        beliefs.append(belief)
    return torch.stack(beliefs, 1), batch.valid & ~starts
