"""Batches in which the episodes with the highest returns appear more often than in the data."""

from dataclasses import fields

import numpy as np
import torch

from nextlat_rl.data.batches import Batcher
from nextlat_rl.data.store import Store
from nextlat_rl.types import Batch

TOP = 0.1  # fraction of the episodes, as in the "10% BC" of Decision Transformer (arXiv 2106.01345)
_OTHER_SEED = 1 << 32


class TopReturnBatcher:
    """A fraction of each batch's windows comes from the episodes with the highest returns, the others from all.

    Args:
        store, batch_size, length, seed, episodes: see `Batcher`.
        fraction: of the windows, in (0, 1), that come from the tenth of `episodes` with the highest returns; at least
            one window is of either kind.
        part: see `Batcher`.
    """

    def __init__(
        self,
        store: Store,
        batch_size: int,
        length: int,
        seed: int,
        episodes: np.ndarray,
        fraction: float,
        part: tuple[int, int] = (0, 1),
    ) -> None:
        count = min(max(round(fraction * batch_size), 1), batch_size - 1)
        top = top_return_episodes(store, episodes)
        others, (first, stride) = batch_size - count, part
        self._parts = (
            Batcher(store, others, length, seed, episodes, part),
            Batcher(store, count, length, seed + _OTHER_SEED, top, ((first - others) % stride, stride)),
        )

    def batch(self, step: int) -> Batch:
        """Batch number `step`, the same for the same store, arguments and step."""
        first, second = (part.batch(step) for part in self._parts)
        joined = {
            field.name: torch.cat((getattr(first, field.name), getattr(second, field.name)))
            for field in fields(Batch)
            if field.name != "observation"
        }
        observation = {name: torch.cat((leaf, second.observation[name])) for name, leaf in first.observation.items()}
        return Batch(observation, **joined)


def top_return_episodes(store: Store, episodes: np.ndarray) -> np.ndarray:
    """The tenth of `episodes` (at least one) with the highest returns, sorted; of equal returns the earlier ones."""
    order = np.argsort(-store.episode_return[episodes], kind="stable")
    return np.sort(episodes[order[: max(1, round(TOP * len(episodes)))]])
