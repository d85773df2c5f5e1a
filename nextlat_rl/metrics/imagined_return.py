"""Imagined returns, to compare with real ones from the same starts."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from nextlat_rl.world_model import WorldModel


def imagined_returns(
    world_model: WorldModel,
    first_observations: Sequence[Any],
    horizon: int,
    seed: int = 0,
    deterministic: bool = False,
) -> Tensor:
    """Undiscounted returns `[B]` of the policy in closed-loop imagination from the given episode starts.

    Transitions are drawn, and so are actions unless `deterministic`; episodes that the model does not end are cut at
    `horizon`, as by a time limit. The difference to real returns from the same starts shows how far imagination can be
    trusted: it is large for data whose actions depend on what the model cannot observe.
    """
    with torch.no_grad():
        step = world_model.first_step(first_observations)
        belief = world_model.observe(step, world_model.memory(len(first_observations)))
        reward = torch.zeros(len(first_observations), dtype=torch.float32, device=world_model.device)
        alive = torch.ones_like(reward)
        chunk = 25  # keeps at most this many steps of imagination in memory
        for start in range(0, horizon, chunk):
            imagined = world_model.imagine(
                belief,
                horizon=min(chunk, horizon - start),
                rollout="sample",
                seed=seed * 100_003 + start,
                deterministic=deterministic,
            )
            reward += alive * imagined.imagined_return()
            alive = alive * imagined.running
            belief = imagined.belief[:, -1]
            if not alive.any():
                break
    return reward
