"""Dreams by the trunk: each imagined step is read by it, as a real one is, and the latent dynamics have no part."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nextlat_rl.drafting.length import FixedLength
from nextlat_rl.drafting.rollout import SpeculativeRollout
from nextlat_rl.metrics.trajectories import Trajectories
from nextlat_rl.world_model import WorldModel


def trunk_dreams(
    world_model: WorldModel, first_observations: Sequence[Any], horizon: int, seed: int = 0
) -> Trajectories:
    """As `nextlat_rl.metrics.trajectories.dreams`, with exact beliefs of the imagined history."""
    first, memory = world_model.first_step(first_observations), world_model.memory(len(first_observations))
    world_model.observe(first, memory)
    made = SpeculativeRollout(world_model, None, FixedLength(0))(memory, horizon, seed)
    steps, length = made.token, made.length.numpy()
    last = np.arange(horizon) == length[:, None] - 1
    return Trajectories(
        observation={
            name: np.concatenate((leaf.numpy()[:, None], steps.observation[name].numpy()), 1)
            for name, leaf in first.observation.items()
        },
        action=steps.action.numpy(),
        reward=steps.reward.numpy(),
        ended=last & made.ended.numpy()[:, None],
        length=length,
    )
