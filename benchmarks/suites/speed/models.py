"""Untrained models and trainers of the main job's settings."""

from __future__ import annotations

import numpy as np
import torch
from omegaconf import OmegaConf

from nextlat_rl.config import TrainConfig
from nextlat_rl.data.store import Store
from nextlat_rl.jobs import setup
from nextlat_rl.models.nextlat import NextLat
from nextlat_rl.training.trainer import Trainer


def _settings(env_id: str, objective: str) -> TrainConfig:
    config: TrainConfig = OmegaConf.to_object(OmegaConf.structured(TrainConfig))  # type: ignore[assignment]
    config.env.id, config.objective.name, config.objective.horizon = env_id, objective, 1
    return config


def make_model(env_id: str, store: Store, seed: int, objective: str = "nextlat") -> NextLat:
    """An untrained model of the default size."""
    torch.manual_seed(seed)
    config = _settings(env_id, objective)
    return setup.build_model(config, store, setup.window_length(config, store))


def make_trainer(env_id: str, store: Store, objective: str, seed: int) -> Trainer:
    """A trainer of the default settings, with a horizon of 1."""
    config = _settings(env_id, objective)
    config.seed = seed
    model = make_model(env_id, store, seed, objective)
    episodes = np.arange(store.num_episodes)
    return setup.make_trainer(config, store, model, episodes, setup.window_length(config, store))
