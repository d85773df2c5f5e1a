"""Files of the formats of version 0.1 load for ever, and act as they did.

`python -m tests.test_formats` wrote the samples, and `expected-0.1.json` what this code made of them. They are never
written again: a new format gets a sample of its own, beside these. `training/test_upgrade.py` does it for format 2.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nextlat_rl.data.batches import Batcher
from nextlat_rl.data.minari_io import load_dataset, write_dataset
from nextlat_rl.data.store import Store, build_store
from nextlat_rl.data.store_writer import FORMAT as STORE_FORMAT
from nextlat_rl.envs import make_env
from nextlat_rl.envs.episodes import collect_episodes
from nextlat_rl.jobs.config import TrainConfig
from nextlat_rl.models.config import ModelConfig
from nextlat_rl.objectives.config import ObjectiveConfig
from nextlat_rl.settings import from_dict
from nextlat_rl.training import checkpoint
from nextlat_rl.training.build import build_model
from nextlat_rl.training.config import TrainerConfig
from nextlat_rl.training.trainer import Trainer
from nextlat_rl.training.upgrade import FORMAT
from nextlat_rl.types import Step
from nextlat_rl.world_model import WorldModel

SAMPLES = Path(__file__).parent / "data_samples"
RUN, STORE, DATASETS = SAMPLES / "run-format-4", SAMPLES / "store-format-3", SAMPLES / "minari"
EXPECTED = SAMPLES / "expected-0.1.json"
DATASET = "sample/cartpole-v0"
WINDOW = 8


@pytest.fixture(scope="module")
def expected() -> dict[str, Any]:
    return json.loads(EXPECTED.read_text())  # type: ignore[no-any-return]


def settings() -> TrainConfig:
    return TrainConfig(
        model=ModelConfig(1, 2, 8, WINDOW, 8, answer="joint", code_groups=2, code_classes=4, code_width=8),
        objective=ObjectiveConfig(horizon=2),
        trainer=TrainerConfig(steps=3, dynamics_finetune_steps=1, batch_size=2, length=WINDOW, warmup=1),
    )


def trainer(model: Any, config: TrainConfig, store: Store) -> Trainer:
    return Trainer(model, Batcher(store, 2, WINDOW, seed=0), config.objective, config.trainer, seed=0)


def acted(world_model: WorldModel, observations: np.ndarray) -> dict[str, Any]:
    """Beliefs and actions of two episodes whose observations are given, `[T, 2, 4]`, and what is imagined then."""
    memory = world_model.memory(2)
    step, beliefs, actions = world_model.first_step(list(observations[0])), [], []
    for t, observation in enumerate(observations):
        if t:
            encoded = world_model.encode_observations(list(observation))
            step = Step(encoded, torch.tensor(actions[-1]), torch.ones(2), torch.zeros(2, dtype=torch.bool))
        belief = world_model.observe(step, memory)
        beliefs.append(belief.numpy().round(6).tolist())
        actions.append(world_model.policy(belief).tolist())
    dream = world_model.imagine(belief, horizon=3, rollout="sample", seed=0)
    imagined = {"action": dream.action.tolist(), "value": dream.value.numpy().round(5).tolist()}
    return {"beliefs": beliefs, "actions": actions, "imagined": imagined}


def next_losses(path: Path, store: Store) -> list[dict[str, float]]:
    """The losses of the steps that are left, from a checkpoint on."""
    model, saved = checkpoint.load_model(path, torch.device("cpu"))
    resumed = trainer(model, from_dict(TrainConfig, saved["train_config"]), store)
    checkpoint.load_optimizer(path, resumed.optimizer)
    resumed.step, found = saved["step"], []
    resumed.run(lambda losses: bool(found.append({name: float(value) for name, value in losses.items()})))
    return found


def arrays(store: Store) -> dict[str, np.ndarray]:
    per_row = {name: getattr(store, name) for name in ("action", "reward", "terminated", "truncated")}
    return per_row | store.observation | {"starts": store.episode_start, "returns": store.episode_return}


def test_the_samples_are_of_todays_formats() -> None:
    """Else a sample of the new format is missing."""
    assert f"run-format-{FORMAT}" == RUN.name and f"store-format-{STORE_FORMAT}" == STORE.name


def test_a_stored_checkpoint_acts_and_imagines_as_it_did(expected: dict[str, Any]) -> None:
    found = acted(WorldModel.load(RUN, "cpu"), np.float32(expected["observations"]))
    np.testing.assert_allclose(found["beliefs"], expected["beliefs"], atol=1e-5)
    np.testing.assert_allclose(found["imagined"]["value"], expected["imagined"]["value"], atol=1e-4)
    assert found["actions"] == expected["actions"] and found["imagined"]["action"] == expected["imagined"]["action"]


def test_a_stored_run_is_trained_further_as_it_was(expected: dict[str, Any]) -> None:
    found = next_losses(RUN, Store.open(STORE))
    assert len(found) == 2
    for losses, wanted in zip(found, expected["losses"], strict=True):
        assert losses == pytest.approx(wanted, rel=1e-3)


def test_a_stored_store_opens_with_every_row(expected: dict[str, Any]) -> None:
    store = Store.open(STORE, verify=True)
    assert (store.num_episodes, store.num_rows) == tuple(expected["store"]["shape"])
    assert store.statistics == expected["store"]["statistics"]
    assert store.reward.sum() == store.num_transitions and store.dataset_id == DATASET


def test_a_stored_data_set_gives_the_rows_of_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(DATASETS, tmp_path / "minari")
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    built, stored = build_store(load_dataset(DATASET), tmp_path / "stores"), Store.open(STORE)
    assert arrays(built).keys() == arrays(stored).keys()
    assert all(np.array_equal(array, arrays(stored)[name]) for name, array in arrays(built).items())
    assert (built.observation_space, built.action_space) == (stored.observation_space, stored.action_space)


def main() -> None:
    os.environ["MINARI_DATASETS_PATH"] = str(DATASETS)
    env = make_env("CartPole-v1")
    episodes = collect_episodes("CartPole-v1", "random", episodes=4, seed=0)
    spaces = env.observation_space, env.action_space
    dataset = write_dataset(DATASET, "CartPole-v1", *spaces, episodes, behaviour="random")
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(build_store(dataset, folder).path, STORE)
    store, config = Store.open(STORE), settings()
    torch.manual_seed(0)
    trained = trainer(build_model(config.model, config.objective, store, WINDOW), config, store)
    trained.run(lambda losses: trained.step == 2)
    saved: dict[str, Any] = json.loads(json.dumps(asdict(config) | {"env": {"id": "CartPole-v1"}}))
    more = {"env_id": "CartPole-v1", "discount": 0.99, "dataset_id": DATASET, "train_config": saved, "left_out": None}
    checkpoint.save(RUN / "checkpoints", trained.step, trained.model, trained.optimizer, more)
    observations = np.random.default_rng(0).normal(0, 0.5, (5, 2, 4)).astype(np.float32)
    found = acted(WorldModel.load(RUN, "cpu"), observations) | {"observations": observations.tolist()}
    sizes = {"shape": [store.num_episodes, store.num_rows], "statistics": store.statistics}
    EXPECTED.write_text(json.dumps(found | {"losses": next_losses(RUN, store), "store": sizes}) + "\n")


if __name__ == "__main__":
    main()
