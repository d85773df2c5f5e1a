"""Untrained models and trainers of the main job's settings."""

from __future__ import annotations

import numpy as np
import torch

from nextlat_rl.data.store import Store
from nextlat_rl.models.config import ModelConfig
from nextlat_rl.models.nextlat import NextLat
from nextlat_rl.objectives.config import ObjectiveConfig
from nextlat_rl.training import build
from nextlat_rl.training.config import TrainerConfig
from nextlat_rl.training.trainer import Trainer


def make_model(store: Store, seed: int, objective: str = "nextlat") -> NextLat:
    """An untrained model of the default size."""
    torch.manual_seed(seed)
    return build.build_model(ModelConfig(), ObjectiveConfig(objective, horizon=1), store, build.window_length(store))


def make_trainer(store: Store, objective: str, seed: int) -> Trainer:
    """A trainer of the default settings, with a horizon of 1."""
    model = make_model(store, seed, objective)
    episodes, length = np.arange(store.num_episodes), build.window_length(store)
    return build.make_trainer(
        model, store, episodes, ObjectiveConfig(objective, horizon=1), TrainerConfig(), length, seed
    )
