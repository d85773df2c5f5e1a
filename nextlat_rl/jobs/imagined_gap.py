"""Imagined against real return: how far the world model can be trusted."""

from typing import Any

import numpy as np

from nextlat_rl.agents.episodes import EARLY, EpisodeResult
from nextlat_rl.metrics.imagined_return import imagined_returns
from nextlat_rl.statistics import bootstrap_interval
from nextlat_rl.world_model import WorldModel

_GAP_EPISODES = 256


def imagined_gap(
    world_model: WorldModel, episodes: list[EpisodeResult], limit: int | None, deterministic: bool
) -> dict[str, Any]:
    """Imagined and real return of the same policy from the same starts, over the same number of steps.

    Both count the rewards of the first `EARLY` steps, or of all steps up to the environment's time limit.
    """
    horizon = min(limit or max(e.length for e in episodes), EARLY)
    chosen = episodes[:_GAP_EPISODES]
    starts = [e.first_observation for e in chosen]
    imagined = imagined_returns(world_model, starts, horizon, deterministic=deterministic).tolist()
    low, high = bootstrap_interval(imagined)
    real = float(np.mean([e.early_return for e in chosen]))
    return {
        "imagined_return_mean": float(np.mean(imagined)),
        "imagined_return_ci_low": low,
        "imagined_return_ci_high": high,
        "real_return_mean": real,
        "imagined_gap": float(np.mean(imagined)) - real,
        "gap_episodes": len(chosen),
        "gap_horizon": horizon,
    }
