"""NextLat (arXiv 2511.05963, eqs. 3-5): the next-token losses, and two losses on roll-outs of the latent dynamics.

    lambda_h * SmoothL1(sg[h_{t+i}], h^_{t+i}) + lambda_KL * KL(p(. | sg[h_{t+i}]) || p(. | h^_{t+i})),  i = 1..horizon

from a random subset of positions, once with observations and rewards in the roll-out (grounded), and once with the
codes of the answers in their place (in code).
"""

import torch
from torch import Tensor

from nextlat_rl.models.nextlat import NextLat
from nextlat_rl.objectives.base import Objective
from nextlat_rl.objectives.config import ObjectiveConfig
from nextlat_rl.objectives.forward import Forward
from nextlat_rl.objectives.latent import code_steps, random_positions, rollout_losses, targets
from nextlat_rl.objectives.weights import prompts
from nextlat_rl.types import Batch, BatchIndex, taken, taken_columns

_FULL_HORIZON = 12


class NextLatent(Objective):
    """The only objective that trains the latent dynamics, and so the only one that can imagine."""

    name = "nextlat"
    trains_dynamics = True

    def added_losses(self, model: NextLat, batch: Batch, out: Forward, generator: torch.Generator) -> dict[str, Tensor]:
        """See `latent_losses`."""
        return latent_losses(model, batch, out, self.config, generator)

    def weights(self, progress: float = 1.0) -> dict[str, float]:
        """Those of the latent losses rise from 0 over the first `latent_warmup` of training."""
        config = self.config
        latent, kl = config.latent_weight, config.kl_weight
        if progress < config.latent_warmup:
            risen = (progress / config.latent_warmup) ** config.latent_warmup_power
            latent, kl = latent * risen, kl * risen
        return super().weights(progress) | {
            "latent": latent,
            "latent_code": config.code_weight * latent,
            "kl": kl,
            "kl_code": config.code_weight * kl,
        }


OBJECTIVE = NextLatent


def latent_losses(
    model: NextLat, batch: Batch, out: Forward, config: ObjectiveConfig, generator: torch.Generator
) -> dict[str, Tensor]:
    """Smooth-L1 and KL of the roll-outs, grounded and in code, means over steps that stay inside an episode.

    The KL is that of as many steps as there are roll-outs. A model without a code has the grounded roll-outs alone, as
    in the paper.
    """
    (row, column), at, inside = _rollout_positions(model, batch, config, generator)
    # One look-up for all steps: each has a backward pass over a whole batch of embeddings.
    steps = taken(out.step_embedding, at)[:, None]  # [H, 1, S, D]
    start = taken(out.belief, (row, column))
    belief = start[None]
    if model.code is not None and config.code_weight:
        belief = torch.stack((start, start.detach()))
        steps = torch.cat((steps, code_steps(model, batch, out, at)[:, None]), dim=1)
    beliefs = []
    for step_embedding in steps.unbind():
        belief = model.dynamics(belief, step_embedding)
        beliefs.append(belief)
    true = targets(batch, out).at((at[0].flatten()[inside], at[1].flatten()[inside]))
    rolled = taken_columns(torch.cat(beliefs, 1), inside)
    return rollout_losses(model, rolled, true, row.numel(), config, generator)


def _rollout_positions(
    model: NextLat, batch: Batch, config: ObjectiveConfig, generator: torch.Generator
) -> tuple[BatchIndex, BatchIndex, Tensor]:
    """S starts `[S]`, the positions `[H, S]` of the next H steps, and which of these H * S lie in the episode."""
    may_start = batch.has_next
    if not config.start_in_prompts:
        may_start = may_start & ~prompts(model, batch, "start_in_prompts=false")
    row, column = random_positions(may_start, start_count(batch.has_next.numel(), config), generator)
    last = batch.has_next.shape[1] - 1
    columns = column + torch.arange(1, config.horizon + 1, device=column.device)[:, None]
    alive = ((columns <= last) & batch.has_next[row, (columns - 1).clamp_max(last)]).cumprod(0)
    return (row, column), (row.expand_as(columns), columns.clamp_max(last)), alive.flatten().nonzero().squeeze(1)


def start_count(positions: int, config: ObjectiveConfig) -> int:
    """From how many of a batch's positions the dynamics is rolled out."""
    wanted = max(config.start_fraction * positions, config.min_rollouts)
    return max(1, round(wanted * min(1.0, _FULL_HORIZON / config.horizon)))
