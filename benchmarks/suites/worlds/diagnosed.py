"""The figures of a row that come from a world's dreams: the library's diagnosis, and what only this suite asks."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import torch

from benchmarks.rivals.worlds import World
from nextlat_rl.data.store import Store
from nextlat_rl.jobs.diagnosis import Diagnosis
from nextlat_rl.metrics.return_gap import cut_returns, return_gap
from nextlat_rl.metrics.trajectories import Trajectories
from nextlat_rl.statistics import bootstrap_interval

DREAMS = 1000  # in which impossible returns are counted
_PATIENCE = 120.0  # seconds of dreaming after which what there is must do


def dreamed(world: World, real: Trajectories, horizon: int, rounds: int) -> list[Trajectories]:
    """Dreams from the first observations of `real`, N in each round; a slow world has fewer rounds, at least one."""
    first = {name: torch.from_numpy(leaf[:, 0]) for name, leaf in real.observation.items()}
    dreams, spent = list[Trajectories](), 0.0
    while len(dreams) < rounds and spent < _PATIENCE:
        dreams.append(world.dream(first, horizon, seed=len(dreams)))
        spent += world.dream_seconds
    return dreams


def figures(found: Diagnosis, real: Trajectories, dreams: list[Trajectories], store: Store) -> dict[str, Any]:
    """All of a diagnosis by name, and the gap of returns.

    Args:
        found: of the first of the dreams.
        real: N episodes of the world's policy.
        dreams: N of it each, all from the same first observations.
        store: the data.

    """
    values = found.row() | {"events": [asdict(event) for event in found.events]}
    values |= {"episodes": values.pop("diagnosis_episodes"), "horizon": values.pop("diagnosis_steps")}
    values |= {"return_mean": values.pop("real_return_mean")} | _interval("return", real.returns)
    gap = dreams[0].returns - real.returns
    values |= {"imagined_gap": float(gap.mean())} | _interval("imagined_gap", gap)
    returns = np.concatenate([part.returns for part in dreams])[:DREAMS]
    data = cut_returns(store.reward, store.episode_start, found.steps)
    values |= {"impossible_returns": return_gap(real.returns, returns, data).impossible, "dreams": len(returns)}
    return values | {
        "episode_length_mean": float(real.length.mean()),
        "imagined_length_mean": float(dreams[0].length.mean()),
    }


def _interval(name: str, values: np.ndarray) -> dict[str, float]:
    low, high = bootstrap_interval(values.tolist())
    return {f"{name}_ci_low": low, f"{name}_ci_high": high}
