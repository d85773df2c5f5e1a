"""What the trajectories of a world say about it: real and imagined returns, and the library's diagnostics."""

from __future__ import annotations

from typing import Any

import torch

from benchmarks.rivals.worlds import Trajectories
from nextlat_rl.data.store import Store
from nextlat_rl.statistics import bootstrap_interval
from nextlat_rl.world_model import WorldModel


def diagnosed(
    real: Trajectories, imagined: Trajectories, store: Store, env_id: str, like: WorldModel
) -> dict[str, Any]:
    """All figures of a row that come from trajectories.

    Args:
        real: N episodes of the world's policy.
        imagined: N dreams of it from the same first observations.
        store: the data that it was trained on.
        env_id: the environment.
        like: our model, whose codecs tell what the leaves are.

    """
    return returns(real, imagined) | lengths(real, imagined)


def returns(real: Trajectories, imagined: Trajectories) -> dict[str, Any]:
    """Mean real and imagined return with their intervals over the episodes, and the gap."""
    values: dict[str, Any] = {}
    for name, part in (("return", real), ("imagined_return", imagined)):
        low, high = bootstrap_interval(part.returns.tolist())
        values |= {f"{name}_mean": float(part.returns.mean()), f"{name}_ci_low": low, f"{name}_ci_high": high}
    gap = (imagined.returns - real.returns).tolist()
    low, high = bootstrap_interval(gap)
    return values | {"imagined_gap": sum(gap) / len(gap), "imagined_gap_ci_low": low, "imagined_gap_ci_high": high}


def lengths(real: Trajectories, imagined: Trajectories) -> dict[str, float]:
    """Mean steps of real and imagined episodes."""
    real_steps, imagined_steps = (part.taken.sum(1).to(torch.float32).mean() for part in (real, imagined))
    return {"episode_length_mean": float(real_steps), "imagined_length_mean": float(imagined_steps)}
