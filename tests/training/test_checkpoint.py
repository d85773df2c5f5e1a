"""Promise 6 for checkpoints: written whole or not at all, one clear line when broken, never code; resuming is exact."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from nextlat_rl.errors import UserError
from nextlat_rl.objectives.config import ObjectiveConfig
from nextlat_rl.training import checkpoint
from nextlat_rl.training.config import TrainerConfig
from nextlat_rl.training.trainer import Trainer
from nextlat_rl.types import Batch
from tests.helpers.tiny import make_batch, tiny_model

SETTINGS = TrainerConfig(steps=5, dynamics_finetune_steps=3, warmup=2, learning_rate=1e-2)
CPU = torch.device("cpu")


class Batches:
    def batch(self, step: int) -> Batch:
        return make_batch([[6, 6], [12]], seed=step)


def trainer() -> Trainer:
    return Trainer(tiny_model(), Batches(), ObjectiveConfig(), SETTINGS, seed=0)


def save(trained: Trainer, folder: Path) -> Path:
    return checkpoint.save(folder, trained.step, trained.model, trained.optimizer, {"env_id": "none"})


def test_save_load(tmp_path: Path) -> None:
    trained = trainer()
    trained.train_step()
    save(trained, tmp_path / "run" / "checkpoints")
    for path in (tmp_path / "run", tmp_path / "run" / "checkpoints" / "step-00000001"):
        model, config = checkpoint.load_model(path, CPU)
        assert config["step"] == 1 and config["env_id"] == "none"
        assert model.spaces.observation == trained.model.spaces.observation
        for name, value in trained.model.state_dict().items():
            assert torch.equal(model.state_dict()[name], value), name


def test_a_value_is_added_to_a_checkpoint_and_the_rest_stays(tmp_path: Path) -> None:
    trained = trainer()
    path = save(trained, tmp_path / "run" / "checkpoints")
    before = json.loads((path / "config.json").read_text())
    checkpoint.annotate(tmp_path / "run", trust_horizon=5)
    checkpoint.annotate(tmp_path / "run", trust_horizon=7)
    after = json.loads((path / "config.json").read_text())
    assert after == before | {"trust_horizon": 7, "seal": after["seal"]}
    assert sorted(file.name for file in path.iterdir()) == ["config.json", "model.safetensors", "optimizer.safetensors"]
    checkpoint.load_model(path, CPU)
    with pytest.raises(UserError, match="does not exist"):
        checkpoint.annotate(tmp_path / "nowhere", trust_horizon=5)


def test_resume_continues_bit_for_bit(tmp_path: Path) -> None:
    straight = trainer()
    for _ in range(8):
        straight.train_step()
    first = trainer()
    for _ in range(3):
        first.train_step()
    save(first, tmp_path)
    model, config = checkpoint.load_model(tmp_path, CPU)
    second = Trainer(model, Batches(), ObjectiveConfig(), SETTINGS, seed=0)
    checkpoint.load_optimizer(tmp_path, second.optimizer)
    second.step = config["step"]
    while second.step < 8:
        second.train_step()
    for name, value in straight.model.state_dict().items():
        assert torch.equal(second.model.state_dict()[name], value), name


def test_only_the_newest_checkpoint_is_kept(tmp_path: Path) -> None:
    trained = trainer()
    for _ in range(3):
        trained.train_step()
        save(trained, tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["step-00000003"]


@pytest.mark.parametrize("file", ["model.safetensors", "optimizer.safetensors", "config.json"])
@pytest.mark.parametrize("damage", ["truncated", "garbage"])
def test_broken_file_is_one_clear_line(tmp_path: Path, file: str, damage: str) -> None:
    trained = trainer()
    trained.train_step()
    broken = save(trained, tmp_path) / file
    broken.write_bytes(broken.read_bytes()[:100] if damage == "truncated" else b"\x00garbage" * 50)
    with pytest.raises(UserError, match=file) as error:
        model, _ = checkpoint.load_model(tmp_path, CPU)
        checkpoint.load_optimizer(tmp_path, Trainer(model, Batches(), ObjectiveConfig(), SETTINGS, 0).optimizer)
    assert "\n" not in str(error.value)


def test_weights_of_another_shape_are_refused(tmp_path: Path) -> None:
    folder = save(trainer(), tmp_path)
    config = json.loads((folder / "config.json").read_text())
    config["model"]["width"] = 32
    del config["seal"]  # as in a checkpoint of an older version
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match="does not fit its config"):
        checkpoint.load_model(tmp_path, CPU)


def test_failed_save_leaves_the_old_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained = trainer()
    old = save(trained, tmp_path)
    trained.train_step()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint.os, "replace", full)
    with pytest.raises(UserError, match="No space left on device"):
        save(trained, tmp_path)
    assert list(tmp_path.iterdir()) == [old]


def test_an_interrupted_save_leaves_the_old_checkpoint_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = trainer()
    old = save(trained, tmp_path)
    trained.train_step()

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint.os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save(trained, tmp_path)
    assert list(tmp_path.iterdir()) == [old]


def test_what_a_kill_left_between_two_checkpoints_goes_with_the_next_save(tmp_path: Path) -> None:
    trained = trainer()
    save(trained, tmp_path)
    for left in (".step-00000001.77", "step-00000000"):  # half written, half deleted
        (tmp_path / left).mkdir(exist_ok=True)
    (tmp_path / "step-00000000" / "config.json").unlink()
    trained.train_step()
    newest = save(trained, tmp_path)
    assert list(tmp_path.iterdir()) == [newest]


def test_missing_checkpoint_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        checkpoint.find(tmp_path / "nothing")
    with pytest.raises(UserError, match="holds no checkpoint"):
        checkpoint.find(tmp_path)
