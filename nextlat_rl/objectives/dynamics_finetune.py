"""Fine-tuning of the latent dynamics on whole windows, after training, for recurrent acting.

While the trunk still learns, the dynamics has a moving target and short roll-outs. Once the trunk is fixed, its beliefs
are targets without a backward pass, so roll-outs as long as a window become cheap: they begin at every episode's first
step and at the first column of a window, and run to the end.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from nextlat_rl.models.nextlat import NextLat
from nextlat_rl.objectives.config import ObjectiveConfig
from nextlat_rl.objectives.forward import Forward, forward, roots
from nextlat_rl.objectives.latent import code_windows, head_kl, random_subset
from nextlat_rl.objectives.nextlat import latent_losses
from nextlat_rl.types import Batch


def dynamics_finetune_losses(
    model: NextLat, batch: Batch, config: ObjectiveConfig, generator: torch.Generator
) -> dict[str, Tensor]:
    """Smooth-L1 and KL of roll-outs over whole windows, beside the usual latent losses, as unweighted scalars.

    Only the latent dynamics gets gradients. The usual losses keep roll-outs from the middle of an episode as good as
    they were.
    """
    with torch.no_grad():
        out = forward(model, batch, generator=generator)
        steps = out.step_embedding[None]
        if model.code is not None and config.code_weight:
            steps = torch.cat((steps, code_windows(model, batch, out)[None]))
    carried, known = carry(model, batch, out, steps)
    at = known.nonzero(as_tuple=True)
    true = out.belief[at].expand(len(steps), -1, -1)
    smooth_l1 = F.smooth_l1_loss(carried[:, at[0], at[1]], true)
    chosen = random_subset(len(at[0]), config.min_rollouts, generator).to(known.device)
    at = (at[0][chosen], at[1][chosen])
    kl = head_kl(model, batch, out, at, carried[:, at[0], at[1]], config).mean()
    return latent_losses(model, batch, out, config, generator) | {"latent_finetune": smooth_l1, "kl_finetune": kl}


def carry(model: NextLat, batch: Batch, out: Forward, steps: Tensor) -> tuple[Tensor, Tensor]:
    """Beliefs `[K, B, L, D + N]` that the dynamics carries along whole windows, and where they exist, `[B, L]`.

    Each roll-out starts from the trunk's belief, at an episode's first step or in column 0; those columns hold no
    prediction. `steps: [K, B, L, D + N]` is what the dynamics reads.
    """
    starts = roots(batch)
    belief = out.belief[:, 0].expand(len(steps), -1, -1)
    beliefs = [belief]
    for t in range(1, starts.shape[1]):
        carried = model.dynamics(belief, steps[:, :, t])
        belief = torch.where(starts[:, t, None], out.belief[:, t], carried)
        beliefs.append(belief)
    return torch.stack(beliefs, 2), batch.valid & ~starts
