"""Length generalisation: accuracy of the next action by the number of steps read."""

import torch
from torch import Tensor

from nextlat_rl.models.nextlat import NextLat
from nextlat_rl.objectives.forward import Forward, forward, roots
from nextlat_rl.types import Batch


@torch.no_grad()
def accuracy_by_length(model: NextLat, batch: Batch, scored: Tensor | None = None) -> dict[str, list[float]]:
    """How often the most likely action is the data's, by the number of steps read.

    Args:
        model: what is measured.
        batch: episodes from their first step on, one per window, from `held_out_batch`.
        scored: `[B, L]` bool, the steps that count; all by default.

    Returns:
        `length` (steps read, where anything is scored), and the accuracies of `trunk` and of `recurrent`: beliefs that
        only the latent dynamics updates from the first step on (arXiv 2511.05963).
    """
    out = forward(model, batch)
    carried = carry(model, batch, out)
    counted = batch.has_action if scored is None else batch.has_action & scored
    total = counted.sum(0)
    lengths = total.nonzero().squeeze(1)
    table = {"length": [float(t + 1) for t in lengths]}
    for name, belief in (("trunk", out.belief), ("recurrent", carried)):
        action = model.action.mode(model.action.head(belief))
        right = (action == batch.action).flatten(2).all(2) if action.ndim > 2 else action == batch.action
        table[name] = ((right & counted).sum(0)[lengths] / total[lengths]).tolist()
    return table


def carry(model: NextLat, batch: Batch, out: Forward) -> Tensor:
    """Beliefs `[B, L, D + N]` that the dynamics carries along whole windows.

    Each roll-out starts from the trunk's belief, at an episode's first step or in column 0.
    """
    starts = roots(batch)
    belief = out.belief[:, 0]
    beliefs = [belief]
    for t in range(1, starts.shape[1]):
        carried = model.dynamics(belief, out.step_embedding[:, t])
        belief = torch.where(starts[:, t, None], out.belief[:, t], carried)
        beliefs.append(belief)
    return torch.stack(beliefs, 1)
