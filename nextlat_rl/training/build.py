"""A fresh model for a data set, and the batches that train it."""

from dataclasses import replace
from typing import Any

import numpy as np

from nextlat_rl.data.batches import Batcher
from nextlat_rl.data.store import Store
from nextlat_rl.data.top_return import TopReturnBatcher
from nextlat_rl.models.config import ModelConfig
from nextlat_rl.models.nextlat import NextLat
from nextlat_rl.objectives.config import ObjectiveConfig
from nextlat_rl.objectives.registry import attach_training_modules
from nextlat_rl.spaces import scalar_statistics
from nextlat_rl.training.config import TrainerConfig
from nextlat_rl.training.distributed import rank_and_world_size
from nextlat_rl.training.trainer import Batches, Trainer
from nextlat_rl.types import Spaces

MAX_WINDOW = 128
HELD_OUT = 0.02  # fraction of the episodes that is never trained on
_RETURN_SAMPLE = 1_000_000  # rows looked at for the range of the value


def window_length(store: Store, length: int = 0) -> int:
    """Steps per training window: as asked, or the longest episode's, at most `MAX_WINDOW`."""
    return length or min(int(np.diff(store.episode_start).max()), MAX_WINDOW)


def build_model(config: ModelConfig, objective: ObjectiveConfig, store: Store, length: int) -> NextLat:
    """A fresh model for the store's spaces; torch's global seed decides its weights.

    A context of 0 becomes `length`, the steps per training window; `objective` is what it will be trained on.
    """
    statistics = {**store.statistics, "value": value_statistics(store, objective.discount)}
    spaces = Spaces(store.observation_space, store.action_space, statistics)
    model = NextLat(spaces, replace(config, context=config.context or length))
    return attach_training_modules(model, objective.name, objective.horizon)


def value_statistics(store: Store, discount: float) -> dict[str, object]:
    """The range of the discounted return-to-go, for the value's two-hot bins."""
    rows = min(store.num_rows, _RETURN_SAMPLE)
    reward = np.asarray(store.reward[:rows], dtype=np.float64)
    last = np.zeros(rows, dtype=bool)
    last[store.episode_start[1:][store.episode_start[1:] <= rows] - 1] = True
    togo = np.zeros(rows)
    running = 0.0
    for i in range(rows - 1, -1, -1):
        running = 0.0 if last[i] else reward[i] + discount * running
        togo[i] = running
    statistics = scalar_statistics(togo)
    if statistics["kind"] == "set":  # a value is an expectation, so it lies between the returns
        low, high = min(togo.min(), 0.0), max(togo.max(), 1e-3)
        statistics = {"kind": "twohot", "low": float(low), "high": float(high), "bins": 63}
    return statistics


def make_trainer(
    model: NextLat,
    store: Store,
    episodes: np.ndarray,
    objective: ObjectiveConfig,
    config: TrainerConfig,
    length: int,
    seed: int,
) -> Trainer:
    """A trainer on some episodes of a store; under torchrun each process reads its shares of every batch.

    Args:
        model: is trained.
        store: the data.
        episodes: `[E]` indices of those to train on.
        objective, config: what is minimised, and how.
        length: steps per window.
        seed: keys the batches and the random choices together with the step.

    Raises:
        UserError: the batch cannot be divided into its shares, see `share_count`.
    """
    part = rank_and_world_size()
    batches = Batcher(store, config.batch_size, length, seed, episodes, part)
    chosen: Batches = batches
    if fraction := config.top_return_fraction:
        chosen = TopReturnBatcher(store, config.batch_size, length, seed, episodes, fraction, part)
    return Trainer(model, chosen, objective, config, seed, batches)


def drafter_batches(store: Store, trainer: dict[str, Any], context: int, seed: int) -> Batcher:
    """Batches to train a drafter with.

    Args:
        store: the data.
        trainer: the trainer settings in the trunk's checkpoint.
        context: the trunk's; a longer one makes the windows longer than the episodes.
        seed: keys the draws together with the step.
    """
    length = trainer["length"] or max(window_length(store), context)
    return Batcher(store, trainer["batch_size"], length, seed)
