"""A small world's data and a model trained on it, shared by the tests of acting ahead."""

from __future__ import annotations

import gymnasium as gym
import pytest
import torch

from nextlat_rl.data.batches import Batcher
from nextlat_rl.data.minari_io import write_dataset
from nextlat_rl.data.store import Store, build_store
from nextlat_rl.envs.episodes import collect_episodes
from nextlat_rl.models.config import ModelConfig
from nextlat_rl.models.nextlat import NextLat
from nextlat_rl.objectives.config import ObjectiveConfig
from nextlat_rl.training.build import value_statistics
from nextlat_rl.training.config import TrainerConfig
from nextlat_rl.training.trainer import Trainer
from nextlat_rl.types import Spaces
from nextlat_rl.world_model import WorldModel
from tests.helpers.ring import Ring


@pytest.fixture(scope="module")
def ring_data(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Random walks round the ring."""
    if "Ring-v0" not in gym.registry:
        gym.register("Ring-v0", entry_point=Ring, max_episode_steps=40)
    folder = tmp_path_factory.mktemp("ring")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINARI_DATASETS_PATH", str(folder / "minari"))
        walks = collect_episodes("Ring-v0", "random", episodes=200)
        data = write_dataset(
            "test/ring-v0", "Ring-v0", Ring.observation_space, Ring.action_space, walks, behaviour="random"
        )
        return build_store(data, folder / "cache")


@pytest.fixture(scope="module")
def ring(ring_data: Store) -> WorldModel:
    """A model trained for a few seconds on random walks round the ring."""
    store = ring_data
    torch.manual_seed(0)
    statistics = {**store.statistics, "value": value_statistics(store, 0.9)}
    spaces = Spaces(store.observation_space, store.action_space, statistics)
    model = NextLat(spaces, ModelConfig(2, 2, 32, 16, 32))
    settings = TrainerConfig(steps=150, dynamics_finetune_steps=0, batch_size=16, learning_rate=4e-3, warmup=10)
    objective = ObjectiveConfig(horizon=3, policy_temperature=0.3, observation_weight=1.0)
    trainer = Trainer(model, Batcher(store, 16, 16, 0), objective, settings, 0)
    while trainer.step < trainer.total_steps:
        trainer.train_step()
    return WorldModel(model, "Ring-v0", discount=0.9)
