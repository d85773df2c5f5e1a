"""Training a drafter for a fixed trunk, on the trunk's own batches."""

from collections.abc import Callable

import torch

from nextlat_rl.drafting.net import DrafterNet
from nextlat_rl.objectives.config import ObjectiveConfig
from nextlat_rl.objectives.forward import forward
from nextlat_rl.training.trainer import Batches
from nextlat_rl.world_model import WorldModel

_WARMUP = 20
_LR_FLOOR = 0.1


def train_drafter(
    net: DrafterNet,
    world_model: WorldModel,
    batches: Batches,
    objective: ObjectiveConfig,
    steps: int,
    learning_rate: float,
    seed: int = 0,
    on_step: Callable[[int, dict[str, float]], None] = lambda step, losses: None,
) -> None:
    """AdamW, linear warm-up and linear decay to a tenth.

    Args:
        net: what is trained.
        world_model: the trunk; its weights stay as they are.
        batches: as the trunk was trained on.
        objective: the weights of the losses, as the trunk's.
        steps: optimiser steps.
        learning_rate: its peak.
        seed: keys the random choices together with the step.
        on_step: called with the number of steps done and the losses.
    """
    model = world_model.model
    net.train()
    optimizer = torch.optim.AdamW(net.parameters(), lr=learning_rate, betas=(0.9, 0.95), weight_decay=0.01, fused=True)
    for step in range(steps):
        batch = batches.batch(step).to(model.start.device)
        with torch.no_grad():
            out = forward(model, batch)
        generator = torch.Generator().manual_seed(seed * 1_000_003 + step)
        losses = net.losses(model, batch, out, objective, generator)
        rate = min(1.0, (step + 1) / _WARMUP) * (1 - (1 - _LR_FLOOR) * step / steps)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate * rate
        optimizer.zero_grad(set_to_none=True)
        torch.stack(list(losses.values())).sum().backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        on_step(step + 1, {name: float(value.detach()) for name, value in losses.items()})
    net.eval()
