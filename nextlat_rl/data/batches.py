"""Packed training batches: windows of consecutive rows, as a pure function of (seed, step)."""

import numpy as np
import torch
from torch import Tensor

from nextlat_rl.data.store import Store
from nextlat_rl.errors import UserError
from nextlat_rl.notices import notice
from nextlat_rl.types import Batch


class Batcher:
    """Draw packed batches from some episodes of a store, without state: batch number `step` is always the same.

    The chosen episodes form a ring, in the order of the store. A window starts at a row drawn uniformly, or, if the
    episode of that row fits into a window, at the episode's first row. Its other columns are the rows that follow in
    the ring: they run into the next episodes and may cut the last one short. So each row is about equally often in a
    batch (exactly so where episodes are longer than windows), and short episodes are seen from their beginning.

    With a `part` of `(i, n)` only every n-th window is read, from the i-th on: n such batches make up a whole one.
    """

    def __init__(
        self,
        store: Store,
        batch_size: int,
        length: int,
        seed: int,
        episodes: np.ndarray | None = None,
        part: tuple[int, int] = (0, 1),
    ) -> None:
        chosen = np.arange(store.num_episodes) if episodes is None else np.asarray(episodes, dtype=np.int64)
        if len(chosen) == 0 or batch_size < 1 or length < 1 or seed < 0:
            raise UserError(
                f"cannot draw batches of {batch_size} windows of {length} rows from {len(chosen)} episodes with seed "
                f"{seed}: all of them must be at least 1, the seed at least 0"
            )
        self.store, self.batch_size, self.length, self.seed, self.part = store, batch_size, length, seed, part
        self._episodes = chosen
        rows = (store.episode_start[1:] - store.episode_start[:-1])[chosen]
        self._ring_start = np.concatenate([[0], np.cumsum(rows)])

    @property
    def num_rows(self) -> int:
        """Rows of the chosen episodes."""
        return int(self._ring_start[-1])

    def batch(self, step: int) -> Batch:
        """Return batch number `step` (>= 0), the same for the same store, arguments and step."""
        generator = np.random.Generator(np.random.Philox(key=np.array([self.seed, step], dtype=np.uint64)))
        first, stride = self.part
        ring = self._window_starts(generator)[first::stride, None] + np.arange(self.length)
        lap, ring = np.divmod(ring, self.num_rows)
        chosen = self._chosen_at(ring)
        episode = self._episodes[chosen]
        rows = self.store.episode_start[episode] + ring - self._ring_start[chosen]
        # On a second lap round the ring an episode comes again: another segment.
        segment = episode + lap * self.store.num_episodes
        return _gather(self.store, rows, episode, segment, np.ones_like(rows, dtype=bool))

    def _window_starts(self, generator: np.random.Generator) -> np.ndarray:
        """Positions in the ring `[B]`."""
        drawn = generator.integers(self.num_rows, size=self.batch_size)
        chosen = self._chosen_at(drawn)
        first, end = self._ring_start[chosen], self._ring_start[chosen + 1]
        return np.where(end - first <= self.length, first, drawn)

    def _chosen_at(self, ring: np.ndarray) -> np.ndarray:
        """Indices into the chosen episodes of positions in the ring."""
        return np.searchsorted(self._ring_start, ring, side="right") - 1


def split(store: Store, fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Split the episodes at random into (training, held out), sorted indices, the same for the same arguments.

    `fraction` of the episodes are held out; at least one if the fraction is positive, and never all.
    """
    if not 0 <= fraction < 1 or seed < 0:
        raise UserError(
            f"cannot hold out a fraction of {fraction} with seed {seed}: use 0 <= fraction < 1 and seed >= 0"
        )
    episodes = store.num_episodes
    count = min(max(round(fraction * episodes), int(fraction > 0)), episodes - 1)
    order = np.random.default_rng(seed).permutation(episodes)
    return np.sort(order[count:]), np.sort(order[:count])


def held_out_or_all(training: np.ndarray, held_out: np.ndarray) -> np.ndarray:
    """The episodes to measure on: those held out, or the only episode there is, with a notice."""
    if len(held_out):
        return held_out
    notice("the data have one episode, so none is held out: what is measured on the data was trained on too")
    return training


def held_out_batch(store: Store, episodes: np.ndarray, length: int | None = None) -> Batch:
    """Return whole episodes from their first row, one per window; L is the longest one's rows, at most `length`.

    Columns past an episode's end are not `valid` and repeat its last observation.
    """
    episode = np.asarray(episodes, dtype=np.int64)[:, None]
    first, last = store.episode_start[episode], store.episode_start[episode + 1] - 1
    longest = int((last - first).max()) + 1
    columns = first + np.arange(longest if length is None else min(longest, length))
    valid = columns <= last
    episode = np.broadcast_to(episode, columns.shape)
    return _gather(store, np.minimum(columns, last), episode, np.where(valid, episode, -1), valid)


def _gather(store: Store, rows: np.ndarray, episode: np.ndarray, segment: np.ndarray, valid: np.ndarray) -> Batch:
    """Read rows `[B, L]` of the store; within a segment they are consecutive."""
    is_first = valid & (rows == store.episode_start[episode])
    has_action = valid & (rows < store.episode_start[episode + 1] - 1)
    has_next = has_action.copy()
    has_next[:, -1] = False
    before = np.maximum(rows[:, :1] - 1, 0)
    action, previous_action = _with_previous(store.action, rows, before, valid & ~is_first)
    reward, previous_reward = _with_previous(store.reward, rows, before, valid & ~is_first)
    return Batch(
        observation={leaf: _tensor(array[rows]) for leaf, array in store.observation.items()},
        action=action,
        reward=reward,
        terminated=_tensor(store.terminated[rows]),
        previous_action=previous_action,
        previous_reward=previous_reward,
        is_first=_tensor(is_first),
        segment=_tensor(segment),
        has_action=_tensor(has_action),
        has_next=_tensor(has_next),
        valid=_tensor(valid),
    )


def _with_previous(array: np.ndarray, rows: np.ndarray, before: np.ndarray, keep: np.ndarray) -> tuple[Tensor, Tensor]:
    """Values at `rows` `[B, L]`, and those one row earlier (from `before` `[B, 1]` in column 0), zero unless `keep`."""
    values = np.asarray(array[np.concatenate([before, rows], axis=1)])
    previous = values[:, :-1].copy()
    previous[~keep] = 0
    return _tensor(np.ascontiguousarray(values[:, 1:])), _tensor(previous)


def _tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(np.asarray(array))
