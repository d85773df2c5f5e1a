"""A run folder with a model that was never trained, for what needs no skill."""

from __future__ import annotations

from pathlib import Path

import torch

from nextlat_rl.data.store import store_of_episodes
from nextlat_rl.envs import make_env
from nextlat_rl.envs.episodes import collect_episodes
from nextlat_rl.models.config import ModelConfig
from nextlat_rl.objectives.config import ObjectiveConfig
from nextlat_rl.training import checkpoint
from nextlat_rl.training.build import build_model


def untrained_run(folder: Path, env_id: str = "MiniGrid-Empty-5x5-v0") -> Path:
    """With a code of two groups."""
    env = make_env(env_id)
    store = store_of_episodes(env.observation_space, env.action_space, collect_episodes(env_id, "random", episodes=2))
    torch.manual_seed(0)
    sizes = ModelConfig(1, 2, 16, 8, 16, code_groups=2, code_classes=4, code_width=16)
    model = build_model(sizes, ObjectiveConfig(), store, 8)
    assert model.num_groups == 2
    model.end.bias.data.fill_(-4.0)  # its dreams last
    extra = {"env_id": env_id, "discount": 0.99, "dataset_id": "none"}
    checkpoint.save(folder / "checkpoints", 1, model, None, extra)
    return folder
