"""The real beliefs that improvement starts from."""

from collections.abc import Callable

import torch
from torch import Tensor

from nextlat_rl.training.trainer import Batches
from nextlat_rl.world_model import WorldModel


def real_beliefs(
    world_model: WorldModel, batches: Batches, count: int, on_progress: Callable[[int], None] = lambda done: None
) -> Tensor:
    """About `count` beliefs `[N, D]` of real steps at which an action was taken, from as many batches as it takes."""
    found: list[Tensor] = []
    total, step = 0, 0
    while total < count:
        batch = batches.batch(step).to(world_model.device)
        found.append(world_model.beliefs(batch)[batch.has_action])
        total, step = total + len(found[-1]), step + 1
        on_progress(min(total, count))
    return torch.cat(found)[:count]
