"""How many bits the world's answer to an action costs under the model."""

import math

import torch
from torch import Tensor

from nextlat_rl.models.answer import end_log_prob, reward_log_prob
from nextlat_rl.models.nextlat import NextLat
from nextlat_rl.objectives.forward import forward
from nextlat_rl.objectives.joint import followed_positions, joint_answer
from nextlat_rl.types import Batch


@torch.no_grad()
def answer_bits(model: NextLat, batch: Batch) -> dict[str, float]:
    """Mean negative log-likelihood of the answer to an action, in bits a step, by part.

    The part of a discrete leaf is what it costs to code its value. That of a continuous leaf is a log-density (of the
    numbers in units of their standard deviation for a Box), which may be negative and means something only beside
    another model's on the same data. The action is given and costs nothing.

    Of a joint answer the parts are given the code, `code` is the divergence of the code's encoder from its prior, and
    `total` is an upper bound.

    Args:
        model: what is measured.
        batch: held-out windows.

    Returns:
        `code` of a joint answer, `end`, `reward`, `observation/<leaf>` for each leaf, and their sum `total`.
    """
    out = forward(model, batch)
    at = followed_positions(batch)
    parts = {}
    if model.code is None:
        answer = model.transition(out.afterstate[at])
    else:
        joint = joint_answer(model, batch, out, at)
        answer = joint.transition
        parts["code"] = _bits(-model.code.kl(joint.posterior, joint.prior))
    parts["end"] = _bits(end_log_prob(answer, batch.terminated[at]))
    parts["reward"] = _bits(reward_log_prob(model, answer, batch.reward[at], batch.terminated[at]))
    for name, codec in model.observation.items():
        following = batch.observation[name][at[0], at[1] + 1]
        parts[f"observation/{name}"] = _bits(codec.log_prob(answer.observation[name], following))
    return parts | {"total": sum(parts.values())}


def _bits(log_prob: Tensor) -> float:
    return float(-log_prob.mean()) / math.log(2)
