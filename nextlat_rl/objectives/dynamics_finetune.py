"""Fine-tuning of the latent dynamics on the beliefs of a trunk that no longer changes.

While the trunk learns, the dynamics has a moving target, and most of a step is the trunk's. Afterwards the beliefs of
some windows are read once. A step then costs short roll-outs and the heads at some of their beliefs, so thousands of
steps take as long as hundreds with the trunk.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from nextlat_rl.models.nextlat import NextLat
from nextlat_rl.objectives.config import ObjectiveConfig
from nextlat_rl.objectives.forward import draw_codes, embed_windows
from nextlat_rl.objectives.latent import Targets, code_windows, random_subset, rollout_losses
from nextlat_rl.types import Batch, taken_columns

# Roll-outs of a step and their length, in turn: short ones teach most, long ones keep a dream from drifting away.
_ROLLOUTS = ((128, 8), (16, 64))
_KL_POSITIONS = 256
_NUMBERS = 2**23  # of all beliefs that are read: 32 MB
# Weights, times those of training: gradients of the smooth-L1 are small beside the KL's, and dreams show every part of
# an observation.
_LATENT, _OBSERVATION = 100.0, 5.0


@dataclass
class FrozenBeliefs:
    """What a model that stays as it is says of P positions, window after window; without gradients."""

    true: Targets  # [P]
    steps: Tensor  # [K, P, D + N] emb(x_t), grounded and, of a model with a code, in code
    has_next: Tensor  # [P] bool, the position after it is the next step of the same episode


def positions_read(steps: int, belief_size: int) -> int:
    """How many positions are read for `steps` steps: as many as these start from, at most 32 MB of beliefs."""
    return min(steps * _ROLLOUTS[0][0], _NUMBERS // belief_size)


@torch.no_grad()
def read_beliefs(
    model: NextLat, batches: Iterable[Batch], config: ObjectiveConfig, generator: torch.Generator
) -> FrozenBeliefs:
    """Read the beliefs of all windows of the batches; `generator` draws the codes."""
    parts = []
    for batch in batches:
        action_embedding, previous, x = embed_windows(model, batch)
        belief = model.beliefs(x, batch.segment)
        code = draw_codes(model, batch, x, model.after(belief, action_embedding), generator)
        steps = [x]
        if model.code is not None and config.code_weight:
            steps.append(code_windows(model, batch, previous, code))
        windows = (belief, action_embedding, code, batch.has_action, batch.has_next, *steps)
        parts.append([tensor.flatten(0, 1) for tensor in windows])
    belief, action_embedding, code, has_action, has_next, *steps = (
        torch.cat(column) for column in zip(*parts, strict=True)
    )
    return FrozenBeliefs(Targets(belief, action_embedding, code, has_action), torch.stack(steps), has_next)


def finetuned(model: NextLat) -> list[nn.Parameter]:
    """The weights that are trained: those of the latent dynamics."""
    return [*model.input_norm.parameters(), *model.dynamics_net.parameters()]


def dynamics_finetune_weights(config: ObjectiveConfig) -> dict[str, float]:
    """Weights of `dynamics_finetune_losses` in the sum that is minimised."""
    latent, kl, code = _LATENT * config.latent_weight, config.kl_weight, config.code_weight
    return {"latent": latent, "kl": kl, "latent_code": code * latent, "kl_code": code * kl}


def dynamics_finetune_losses(
    model: NextLat,
    beliefs: FrozenBeliefs,
    config: ObjectiveConfig,
    generator: torch.Generator,
    step: int = 0,
    shares: int = 1,
) -> dict[str, Tensor]:
    """The losses of `rollout_losses` on roll-outs from random positions. Only the latent dynamics gets gradients.

    Args:
        model: the network.
        beliefs: of this share of the windows.
        config: the settings.
        generator: draws where the roll-outs start, and the positions of the KL.
        step: whether short roll-outs are in turn or long ones.
        shares: into how many shares the roll-outs are divided; each has at least one.
    """
    candidates = beliefs.has_next.nonzero().squeeze(1)
    count, horizon = _ROLLOUTS[step % len(_ROLLOUTS)]
    count = max(count // shares, 1)
    start = candidates[random_subset(len(candidates), count, generator).to(candidates.device)]
    ahead = torch.arange(1, horizon + 1, device=start.device)[:, None]
    last = len(beliefs.has_next) - 1
    at = (start + ahead).clamp_max(last)  # [H, S]
    inside = beliefs.has_next[(start + ahead - 1).clamp_max(last)].cumprod(0).flatten().nonzero().squeeze(1)
    steps = beliefs.steps[:, at]
    belief = beliefs.true.belief[start].expand(len(steps), -1, -1)
    rolled = []
    for i in range(horizon):
        belief = model.dynamics(belief, steps[:, i])
        rolled.append(belief)
    true = beliefs.true.at(at.flatten()[inside])
    config = replace(config, observation_weight=_OBSERVATION * config.observation_weight)
    followed, positions = taken_columns(torch.cat(rolled, 1), inside), max(_KL_POSITIONS // shares, 1)
    return rollout_losses(model, followed, true, positions, config, generator)
