"""What the trajectories of a world say about it: real and imagined returns, and the library's diagnostics of dreams."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from benchmarks.rivals.worlds import Trajectories
from nextlat_rl.data.store import Store
from nextlat_rl.envs.minigrid.dream_map import DreamMaps, dream_maps
from nextlat_rl.metrics import trajectories as library
from nextlat_rl.metrics.existence import existence
from nextlat_rl.metrics.return_gap import cut_returns, return_gap
from nextlat_rl.metrics.trust_horizon import trust_test
from nextlat_rl.spaces import Codec
from nextlat_rl.spaces.categorical import SymbolicGridCodec
from nextlat_rl.statistics import bootstrap_interval


def diagnosed(
    real: Trajectories,
    imagined: Trajectories,
    store: Store,
    training: np.ndarray,
    horizon: int,
    codecs: Mapping[str, Codec],
    action_codec: Codec,
) -> dict[str, Any]:
    """All figures of a row that come from trajectories; those that do not apply are left out.

    Args:
        real: N episodes of the world's policy.
        imagined: N dreams of it from the same first observations.
        store: the data.
        training: episodes of it that the world was trained on.
        horizon: steps after which episodes and dreams were cut.
        codecs: of the observation's leaves.
        action_codec: of the actions.

    """
    pair = (converted(real), converted(imagined))
    maps = _maps(pair, codecs)
    extra = None if maps is None else (maps[0].so_far[..., None], maps[1].so_far[..., None])
    trust = trust_test(*pair, codecs, action_codec, extra=extra)
    values: dict[str, Any] = {"trust_horizon": trust.trust_horizon, "trust_unlimited": trust.unlimited}
    if maps is not None:
        values["contradictions_per_step_real"], values["contradictions_per_step"] = (
            drawn.contradictions_per_step for drawn in maps
        )
    found = existence(_trained_on(store, training), *pair, {name: codec.discrete for name, codec in codecs.items()})
    values |= {"exist_share": found.share, "exist_share_real": found.share_real}
    values |= {"exist_distance": found.distance, "exist_distance_real": found.distance_real}
    data = cut_returns(store.reward, store.episode_start, horizon)
    gap = return_gap(pair[0].returns, pair[1].returns, data)
    values["impossible_returns"] = gap.impossible / len(gap.imagined)
    values |= returns(real, imagined) | lengths(real, imagined)
    return {name: value for name, value in values.items() if value is not None}


def converted(part: Trajectories) -> library.Trajectories:
    """In the form of the library's metrics."""
    return library.Trajectories(
        observation={name: leaf.numpy() for name, leaf in part.observation.items()},
        action=part.action.numpy(),
        reward=part.reward.numpy(),
        ended=part.ended.numpy(),
        length=part.taken.sum(1).numpy(),
    )


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


def _maps(
    pair: tuple[library.Trajectories, library.Trajectories], codecs: Mapping[str, Codec]
) -> tuple[DreamMaps, DreamMaps] | None:
    """The maps of MiniGrid's views; None where there are none."""
    view = next((name for name, codec in codecs.items() if isinstance(codec, SymbolicGridCodec)), None)
    if view is None:
        return None
    first, second = (
        dream_maps(part.observation[view], part.action, part.length, part.observation["direction"][:, 0])
        for part in pair
    )
    return first, second


def _trained_on(store: Store, training: np.ndarray) -> dict[str, np.ndarray]:
    """Leaf -> `[M, *leaf]`, the rows of the training episodes."""
    spans = zip(store.episode_start[training], store.episode_start[training + 1], strict=True)
    rows = np.concatenate([np.arange(first, end) for first, end in spans])
    return {name: leaf[rows] for name, leaf in store.observation.items()}
