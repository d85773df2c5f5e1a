"""Linear probes: how well a linear classifier predicts future tokens from the frozen belief."""

from collections.abc import Iterable

import gymnasium as gym
import torch
import torch.nn.functional as F
from torch import Tensor

from nextlat_rl.models.nextlat import NextLat
from nextlat_rl.objectives.forward import forward
from nextlat_rl.objectives.token_loss import positions_ahead
from nextlat_rl.types import Batch

_ITERATIONS = 100


def probe_cross_entropy(
    features: Tensor, labels: Tensor, held_out: Tensor, held_out_labels: Tensor, classes: int, ridge: float = 1e-3
) -> float:
    """Cross entropy (nats) on held-out data of a logistic regression fitted to frozen features.

    Args:
        features: `[N, D]`, standardised inside.
        labels: `[N]` below `classes`.
        held_out: `[M, D]`.
        held_out_labels: `[M]`.
        classes: number of classes.
        ridge: weight of the squared norm of the regression's weights, without the bias.
    """
    mean, scale = features.mean(0), features.std(0, correction=0).clamp_min(1e-6)
    x = ((features - mean) / scale).double()
    weight = torch.zeros(x.shape[1], classes, dtype=x.dtype, device=x.device, requires_grad=True)
    bias = torch.zeros(classes, dtype=x.dtype, device=x.device, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=_ITERATIONS, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(x @ weight + bias, labels) + ridge * weight.square().sum()
        loss.backward()
        return loss

    with torch.enable_grad():
        optimizer.step(closure)
    with torch.no_grad():
        logits = ((held_out - mean) / scale).double() @ weight + bias
        return float(F.cross_entropy(logits, held_out_labels))


@torch.no_grad()
def probe_curve(
    model: NextLat, training: Batch, held_out: Batch, distances: Iterable[int] = range(1, 21)
) -> list[float]:
    """Cross entropy (nats) of a probe on h_t for the action a_{t+k-1}, for each k in `distances` (ascending).

    The list ends early where no episode is long enough. The paper shows the difference to GPT's curve.

    Raises:
        ValueError: the action space is not Discrete.
    """
    space = model.spaces.action
    if not isinstance(space, gym.spaces.Discrete):
        raise ValueError(f"probes need Discrete actions, got {space}")
    sides = [(batch, forward(model, batch).belief) for batch in (training, held_out)]
    curve: list[float] = []
    for k in distances:
        places = [positions_ahead(batch, k - 1) for batch, _ in sides]
        if not all(len(row) for row, _ in places):
            break
        (x, y), (held_out_x, held_out_y) = (
            (belief[row, column], batch.action[row, column + k - 1].long())
            for (batch, belief), (row, column) in zip(sides, places, strict=True)
        )
        curve.append(probe_cross_entropy(x, y, held_out_x, held_out_y, int(space.n)))
    return curve
