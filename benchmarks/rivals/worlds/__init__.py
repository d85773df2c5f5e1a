"""World models that are compared: each is trained on the same episodes, then asked, acted with and dreamed in.

Everything is in stored form, as `Store` and `Batch` have it, so that metrics see the same arrays of every model.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod

import numpy as np
from torch import Tensor

from nextlat_rl.data.store import Store
from nextlat_rl.metrics.trajectories import Trajectories
from nextlat_rl.types import Batch


class Player(ABC):
    """Acts in N episodes that begin together."""

    @abstractmethod
    def act(self, observation: dict[str, Tensor], reward: Tensor) -> Tensor:
        """Stored actions `[N, *action]` after observations, leaf -> `[N, *leaf]`, and the rewards `[N]` before them."""


class World(ABC):
    """A world model with a policy cloned from the data on its own latent state.

    Attributes:
        name: what rows call it.
        bound: whether the total of `answer_bits` is an upper bound of the negative log-likelihood instead of itself.
        parameters: numbers that are trained, once `fit` was called.
        steps: optimiser steps that `fit` took.
        dream_seconds: of one core that the last call of `dream` took.

    """

    name: str
    bound: bool = False
    parameters: int
    steps: int
    dream_seconds: float

    @abstractmethod
    def fit(self, store: Store, episodes: np.ndarray, seconds: float, seed: int) -> float:
        """Train on some episodes of a store for about as many seconds of one core; the seconds that it took."""

    @abstractmethod
    def answer_bits(self, batch: Batch) -> dict[str, float]:
        """Mean bits a step of what the world answers: `total` and its parts, among them `reward` and `end`.

        `total` is the negative log-likelihood, or an upper bound of it, of (reward, end, next observation) given the
        history from the first column on and the action, over the columns that have a next one. Numbers are densities
        in the codecs' normalised units, everything else is a probability.
        """

    @abstractmethod
    def player(self, count: int, seed: int) -> Player:
        """The policy, for `count` episodes."""

    def dream(self, first: dict[str, Tensor], horizon: int, seed: int) -> Trajectories:
        """Imagine episodes of the policy from first observations, leaf -> `[N, *leaf]`; cut after `horizon` steps."""
        started = time.process_time()
        imagined = self._dream(first, horizon, seed)
        self.dream_seconds = time.process_time() - started
        return imagined

    @abstractmethod
    def _dream(self, first: dict[str, Tensor], horizon: int, seed: int) -> Trajectories:
        """See `dream`."""

    def close(self) -> None:  # noqa: B027 - most have nothing to close
        """Give back what is held outside this process."""
