"""From settings and data to the objects that train."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
from minari import MinariDataset
from omegaconf import OmegaConf
from rich.console import Console

from nextlat_rl.config import TrainConfig
from nextlat_rl.console import bar
from nextlat_rl.data.batches import Batcher
from nextlat_rl.data.best import BestBatcher
from nextlat_rl.data.store import Store, build_store
from nextlat_rl.errors import UserError
from nextlat_rl.models.nextlat import ModelConfig, NextLat
from nextlat_rl.models.transformer import TrunkConfig
from nextlat_rl.objectives.objective import ObjectiveConfig
from nextlat_rl.objectives.registry import attach_training_modules
from nextlat_rl.spaces import scalar_statistics
from nextlat_rl.training import checkpoint
from nextlat_rl.training.distributed import rank_and_world_size
from nextlat_rl.training.trainer import Batches, Trainer
from nextlat_rl.types import Spaces

MAX_WINDOW = 128
HELD_OUT = 0.02  # share of the episodes that training never sees
_RETURN_SAMPLE = 1_000_000  # rows looked at for the range of the value


def merge_resumed(config: TrainConfig, typed: list[str]) -> TrainConfig:
    """With `resume`, the run's own settings, changed by the options that were typed."""
    if not config.resume:
        return config
    saved = checkpoint.load_config(config.resume)["train_config"]
    # `env=` and other group names choose whole groups, which a running job cannot change.
    plain = [item for item in typed if item.split("=", 1)[0] not in ("env", "model", "objective", "trainer")]
    plain = [item.replace("planner=", "planner.name=", 1) if item.startswith("planner=") else item for item in plain]
    merged = OmegaConf.merge(OmegaConf.structured(TrainConfig), saved, OmegaConf.from_dotlist(plain))
    return OmegaConf.to_object(merged)  # type: ignore[return-value]


def open_store(datasets: list[MinariDataset], console: Console) -> Store:
    """The flat store of data sets, with a progress bar if it must be built."""
    episodes = sum(dataset.total_episodes for dataset in datasets)
    with bar(console, "Flattening the data set", episodes, "episodes") as shown:
        return build_store(datasets, on_progress=lambda done, total: shown.update(done, total=total))


def window_length(config: TrainConfig, store: Store) -> int:
    """Steps per training window: as asked, or the longest episode up to `MAX_WINDOW`."""
    longest = int(np.diff(store.episode_start).max())
    return config.trainer.length or min(longest, MAX_WINDOW)


def build_model(config: TrainConfig, store: Store, length: int) -> NextLat:
    """A fresh model for the store's spaces."""
    trunk = TrunkConfig(
        config.model.layers, config.model.heads, config.model.width, context=config.model.context or length
    )
    statistics = {**store.statistics, "value": value_statistics(store, config.objective.discount)}
    spaces = Spaces(store.observation_space, store.action_space, statistics)
    model = NextLat(spaces, ModelConfig(trunk, config.model.dynamics_width))
    return attach_training_modules(model, config.objective.name, config.objective.horizon)


def make_trainer(config: TrainConfig, store: Store, model: NextLat, episodes: np.ndarray, length: int) -> Trainer:
    """What trains a model on some episodes of a store; under torchrun each process reads its part of every batch.

    Args:
        config: all settings; `config.seed` decides the batches.
        store: holds the data.
        model: is trained.
        episodes: `[E]` indices of those to train on.
        length: rows of a window.

    Raises:
        UserError: the batch has fewer windows than there are processes.

    """
    settings, part = config.trainer, rank_and_world_size()
    if settings.batch_size < part[1]:
        raise UserError(f"a batch of {settings.batch_size} windows has none for each of {part[1]} processes")
    batches, dynamics_finetune_batches = (
        Batcher(store, size, length, config.seed, episodes, part)
        for size in (settings.batch_size, settings.dynamics_finetune_batch_size)
    )
    chosen: Batches = batches
    if fraction := settings.top_return_fraction:
        chosen = BestBatcher(store, settings.batch_size, length, config.seed, episodes, fraction)
    return Trainer(model, chosen, objective_config(config), settings, config.seed, dynamics_finetune_batches)


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


def objective_config(config: TrainConfig) -> ObjectiveConfig:
    """The objective's settings as plain values."""
    return ObjectiveConfig(**asdict(config.objective))


def drafter_batches(store: Store, saved: dict[str, Any], seed: int) -> Batcher:
    """Batches to train a drafter with, as its trunk's; `saved` is the checkpoint's config."""
    settings, context = saved["train_config"]["trainer"], saved["model"]["trunk"]["context"]
    # A trunk that looks back two steps is trained on windows as long as its episodes all the same.
    longest = min(int(np.diff(store.episode_start).max()), MAX_WINDOW)
    return Batcher(store, settings["batch_size"], settings["length"] or max(longest, context), seed)
