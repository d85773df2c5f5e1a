"""Imagined against real return: how far the world model can be trusted."""

from typing import Any

import numpy as np

from nextlat_rl.agents.episodes import EpisodeResult
from nextlat_rl.metrics.imagined_return import imagined_returns
from nextlat_rl.statistics import bootstrap_interval
from nextlat_rl.world_model import WorldModel

_GAP_EPISODES = 256
_GAP_HORIZON = 500


def imagined_gap(
    world_model: WorldModel, episodes: list[EpisodeResult], limit: int | None, deterministic: bool
) -> dict[str, Any]:
    """Imagined and real return of the same policy from the same starts, over the same number of steps.

    Real episodes longer than the horizon would count rewards that imagination never reached, so the horizon is the
    environment's time limit wherever that is at most 500 steps.
    """
    horizon = min(limit or max(e.length for e in episodes), _GAP_HORIZON)
    chosen = [e for e in episodes if e.length <= horizon][:_GAP_EPISODES] or episodes[:_GAP_EPISODES]
    starts = [e.first_observation for e in chosen]
    imagined = imagined_returns(world_model, starts, horizon, deterministic=deterministic).tolist()
    low, high = bootstrap_interval(imagined)
    real = float(np.mean([e.episode_return for e in chosen]))
    return {
        "imagined_return_mean": float(np.mean(imagined)),
        "imagined_return_ci_low": low,
        "imagined_return_ci_high": high,
        "real_return_mean": real,
        "imagined_gap": float(np.mean(imagined)) - real,
        "gap_episodes": len(chosen),
        "gap_horizon": horizon,
    }
