"""Finite groups as multiplication tables."""

from functools import cache
from itertools import permutations

import numpy as np

GROUPS = ("S3", "A5", "S5", "C2", "C5")


@cache
def multiplication_table(name: str) -> np.ndarray:
    """`table[a, b]` is the index of a b (first a, then b), `[n, n]`; element 0 is the identity.

    `S<k>` are all permutations of k things, `A<k>` the even ones, `C<k>` the turns of a k-gon.
    """
    kind, size = name[0], int(name[1:])
    if kind == "C":
        turns = np.arange(size)
        return (turns[:, None] + turns) % size
    elements = [p for p in permutations(range(size)) if kind == "S" or _even(p)]
    index = {p: i for i, p in enumerate(elements)}
    return np.array([[index[tuple(b[x] for x in a)] for b in elements] for a in elements])


def _even(permutation: tuple[int, ...]) -> bool:
    inversions = sum(a > b for i, a in enumerate(permutation) for b in permutation[i + 1 :])
    return inversions % 2 == 0
