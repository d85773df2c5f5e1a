"""Every supported space goes the whole way: gathered, stored, trained on, acted in, imagined, saved and loaded."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from nextlat_rl.agents.agent import Agent
from nextlat_rl.agents.episodes import evaluation_seeds, run_episodes
from nextlat_rl.data.batches import Batcher
from nextlat_rl.data.minari_io import load_dataset, write_dataset
from nextlat_rl.data.space_check import check_spaces
from nextlat_rl.data.store import build_store
from nextlat_rl.envs import make_env
from nextlat_rl.envs.episodes import collect_episodes
from nextlat_rl.models.config import ModelConfig
from nextlat_rl.models.nextlat import NextLat
from nextlat_rl.objectives.config import ObjectiveConfig
from nextlat_rl.training import checkpoint
from nextlat_rl.training.build import value_statistics
from nextlat_rl.training.config import TrainerConfig
from nextlat_rl.training.trainer import Trainer
from nextlat_rl.types import Spaces
from nextlat_rl.world_model import WorldModel
from tests.helpers.worlds import ZOO_ACTIONS, register_zoo


@pytest.mark.parametrize("action", list(ZOO_ACTIONS))
def test_from_environment_to_imagination(action: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    register_zoo()
    name = f"Zoo{action}-v0"
    env = make_env(name)
    episodes = collect_episodes(name, "random", episodes=12)
    write_dataset("zoo/x-v0", name, env.observation_space, env.action_space, episodes, behaviour="random")
    dataset = load_dataset("zoo/x-v0")
    check_spaces(dataset.observation_space, dataset.action_space, env.observation_space, env.action_space)
    store = build_store(dataset, tmp_path / "cache")
    torch.manual_seed(0)
    spaces = Spaces(
        store.observation_space, store.action_space, {**store.statistics, "value": value_statistics(store, 0.99)}
    )
    model = NextLat(spaces, ModelConfig(1, 2, 16, 8, 16))
    settings = TrainerConfig(steps=3, dynamics_finetune_steps=1, batch_size=4, learning_rate=1e-3, warmup=1)
    objective = ObjectiveConfig(horizon=2, start_fraction=0.3, policy_temperature=1.0)
    trainer = Trainer(model, Batcher(store, 4, 8, 0), objective, settings, 0)
    losses = [trainer.train_step() for _ in range(3)][-1]
    assert all(torch.isfinite(value) for value in losses.values()), losses

    checkpoint.save(tmp_path / "run", 3, model, trainer.optimizer, {"env_id": name, "discount": 0.99})
    world_model = WorldModel.load(tmp_path / "run", "cpu")
    for deterministic in (True, False):  # the environment asserts that every action lies in its space
        results, _ = run_episodes(name, Agent(world_model, 3, "trunk", deterministic), evaluation_seeds(3), 3)
        assert [result.length for result in results] == [5] * 3
    first = [env.reset(seed=i)[0] for i in range(2)]
    belief = world_model.observe(world_model.first_step(first), world_model.memory(2))
    dream = world_model.imagine(belief, horizon=3, rollout="sample")
    for observation in world_model.decode_observations({k: v[:, 0] for k, v in dream.observation.items()}):
        assert env.observation_space.contains(observation)
    for chosen in world_model.decode_actions(dream.action[:, 0]):
        assert env.action_space.contains(chosen)
