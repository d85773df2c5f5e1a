"""Whether imagined observations exist: their share in the data, or their distance to it."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from nextlat_rl.metrics.trajectories import Trajectories

_ROWS = 65_536  # hashed at a time
_DATA, _QUERIES, _MOST_NUMBERS = 20_000, 2_000, 64  # of the nearest-neighbour search


@dataclass(frozen=True)
class Existence:
    """Imagined observations beside real ones that the model was not trained on; None where there is no such leaf.

    Attributes:
        share: imagined observations whose discrete leaves occur together in the data.
        share_real: the same of real observations.
        distance: median distance of the imagined observations' continuous leaves to the nearest in the data, in
            standard deviations a number (root mean square).
        distance_real: the same of real observations.
    """

    share: float | None
    share_real: float | None
    distance: float | None
    distance_real: float | None


def existence(
    data: Mapping[str, np.ndarray], real: Trajectories, imagined: Trajectories, discrete: Mapping[str, bool]
) -> Existence:
    """Look real and imagined observations up in the data.

    Args:
        data: leaf -> `[M, *leaf]` stored observations that the model was trained on.
        real: episodes that it was not trained on.
        imagined: from the same starts.
        discrete: by leaf, whether its values come from a finite set. Leaves with floats are the continuous ones.
    """
    exact = [name for name in data if discrete[name]]
    numbers = [name for name in data if not discrete[name]]
    shares: list[float | None] = [None, None]
    distances: list[float | None] = [None, None]
    if exact:
        known = np.unique(_hashes({name: data[name] for name in exact}))
        shares = [float(np.isin(_hashes(_seen(part, exact)), known).mean()) for part in (imagined, real)]
    if numbers:
        near = _Nearest(_matrix({name: data[name] for name in numbers}))
        distances = [near.median_distance(_matrix(_seen(part, numbers))) for part in (imagined, real)]
    return Existence(shares[0], shares[1], distances[0], distances[1])


def _seen(part: Trajectories, names: list[str]) -> dict[str, np.ndarray]:
    """Leaf -> `[S, *leaf]`, the observations after a step; the first ones are given."""
    return {name: part.observation[name][:, 1:][part.taken] for name in names}


def _hashes(leaves: Mapping[str, np.ndarray]) -> np.ndarray:
    """64-bit hashes `[M]` of rows: random linear forms modulo 2^64, equal for different rows once in about 2^60."""
    rng = np.random.default_rng(0)
    total: np.ndarray | None = None
    for leaf in leaves.values():
        flat = leaf.reshape(len(leaf), -1)
        weight = rng.integers(1 << 62, size=flat.shape[1], dtype=np.uint64) * np.uint64(2) + np.uint64(1)
        parts = [flat[i : i + _ROWS].astype(np.uint64) @ weight for i in range(0, max(len(flat), 1), _ROWS)]
        part = np.concatenate(parts)
        total = part if total is None else total + part
    assert total is not None
    return total


def _matrix(leaves: Mapping[str, np.ndarray]) -> np.ndarray:
    """`[M, d]` float64 of the leaves' numbers, at most 64 of them, evenly spread; at most 20,000 rows likewise."""
    some = {name: _spread(leaf, _DATA) for name, leaf in leaves.items()}
    flat = np.concatenate([leaf.reshape(len(leaf), -1) for leaf in some.values()], axis=1)
    return np.asarray(_spread(flat.T, _MOST_NUMBERS).T, np.float64)


def _spread(rows: np.ndarray, count: int) -> np.ndarray:
    """At most `count` of the rows, evenly spread."""
    if len(rows) <= count:
        return rows
    return rows[np.linspace(0, len(rows) - 1, count).astype(int)]


class _Nearest:
    """Nearest neighbours among `[M, d]`, in units of each number's standard deviation."""

    def __init__(self, data: np.ndarray) -> None:
        self.mean, self.std = data.mean(0), np.maximum(data.std(0), 1e-6)
        self.tree = cKDTree((data - self.mean) / self.std)

    def median_distance(self, rows: np.ndarray) -> float:
        """Median over up to 2,000 of the rows `[S, d]` of the root mean square distance a number."""
        found, _ = self.tree.query((_spread(rows, _QUERIES) - self.mean) / self.std)
        return float(np.median(found) / np.sqrt(rows.shape[1]))
