"""Algorithms of other libraries that ours are compared with; each module says which library it needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Choose = Callable[[np.ndarray], np.ndarray]
"""Features `[N, F]` to actions `[N]`."""


@dataclass(frozen=True)
class Trained:
    """A rival after training.

    Attributes:
        agent: its name in the rows.
        choose: its policy.
        seconds: that training took.
        env_steps: real steps that it has seen.

    """

    agent: str
    choose: Choose
    seconds: float
    env_steps: int
