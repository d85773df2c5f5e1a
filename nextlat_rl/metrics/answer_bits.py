"""How many bits the world's answer to an action costs under the model."""

import math

import torch
from torch import Tensor

from nextlat_rl.models.nextlat import NextLat
from nextlat_rl.objectives.forward import forward
from nextlat_rl.objectives.weights import weighted_mean
from nextlat_rl.types import Batch


@torch.no_grad()
def answer_bits(model: NextLat, batch: Batch) -> dict[str, float]:
    """Mean negative log-likelihood of the answer to an action, in bits a step, by part.

    The part of a discrete leaf is what it costs to code its value. That of a continuous leaf is a log-density (of the
    numbers in units of their standard deviation for a Box), which may be negative and means something only beside
    another model's on the same data. The action is given and costs nothing.

    Args:
        model: what is measured.
        batch: held-out windows.

    Returns:
        `end`, `reward`, `observation/<leaf>` for each leaf, and their sum `total`.
    """
    answer = forward(model, batch).transition
    acted, seen = batch.has_action.float(), batch.has_next.float()
    parts = {
        "end": _bits(model.end_log_prob(answer, batch.terminated), acted),
        "reward": _bits(model.reward_log_prob(answer, batch.reward, batch.terminated), acted),
    }
    for name, codec in model.observation.items():
        leaf = batch.observation[name]
        following = torch.cat((leaf[:, 1:], leaf[:, -1:]), dim=1)
        parts[f"observation/{name}"] = _bits(codec.log_prob(answer.observation[name], following), seen)
    return parts | {"total": sum(parts.values())}


def _bits(log_prob: Tensor, weight: Tensor) -> float:
    return float(weighted_mean(-log_prob, weight)) / math.log(2)
