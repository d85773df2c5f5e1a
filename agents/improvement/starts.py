"""The real beliefs that improvement starts from."""

from collections.abc import Callable

import torch
from torch import Tensor

from nextlat_rl.models.nextlat import NextLat
from nextlat_rl.objectives.forward import forward
from nextlat_rl.training.trainer import Batches


@torch.no_grad()
def real_beliefs(
    model: NextLat, batches: Batches, count: int, on_progress: Callable[[int], None] = lambda done: None
) -> Tensor:
    """About `count` beliefs `[N, D]` of real steps at which an action was taken, from as many batches as it takes."""
    model.eval()
    found: list[Tensor] = []
    total, step = 0, 0
    while total < count:
        batch = batches.batch(step).to(model.start.device)
        found.append(forward(model, batch).belief[batch.has_action])
        total, step = total + len(found[-1]), step + 1
        on_progress(min(total, count))
    return torch.cat(found)[:count]
