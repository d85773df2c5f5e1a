"""A loss that is not finite: one roll-back to the last checkpoint, then one clear line; good weights stay."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from nextlat_rl.errors import UserError
from nextlat_rl.jobs.training_run import train_model
from nextlat_rl.training import checkpoint
from nextlat_rl.training.trainer import Trainer

OPTIONS = [
    *("collect.behaviour=random", "collect.steps=200", "model.layers=1", "model.heads=1", "model.width=16"),
    *("trainer.steps=8", "trainer.dynamics_finetune_steps=0", "trainer.batch_size=2", "trainer.length=8"),
    *("trainer.eval_episodes=1", "trainer.diagnosis_episodes=0", "trainer.log_every=1", "trainer.save_every=2"),
    *("trainer.threads=1", "trainer.eval_every=0", "trainer.warmup=1", "trainer.cooldown=0"),
]


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    monkeypatch.setenv("NEXTLAT_CACHE", str(tmp_path / "cache"))


def faulty(monkeypatch: pytest.MonkeyPatch, *steps: int) -> None:
    """Make the loss NaN at these steps, each once."""
    left, losses = set(steps), Trainer._losses

    def poisoned(self: Trainer, *share: Any) -> dict[str, Tensor]:
        factor = torch.nan if self.step in left else 1.0
        left.discard(self.step)
        return {name: factor * value for name, value in losses(self, *share).items()}

    monkeypatch.setattr(Trainer, "_losses", poisoned)


def curve(run: Path, tag: str) -> dict[int, float]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    points: list[Any] = EventAccumulator(str(run)).Reload().Scalars(tag)
    assert len({point.step for point in points}) == len(points)
    return {point.step: point.value for point in points}


def test_training_goes_back_once_and_on_at_half_the_rate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    faulty(monkeypatch, 5)
    run = train_model("CartPole-v1", "auto", OPTIONS, runs=str(tmp_path / "runs"), quiet=True).folder
    assert curve(run, "train/rollbacks") == {step: float(step > 4) for step in range(1, 9)}
    rates = curve(run, "train/learning_rate")
    assert rates[5] == pytest.approx(rates[4] / 2) and [*rates] == [*range(1, 9)]
    assert all(torch.tensor([*curve(run, "train/loss").values()]).isfinite())
    assert checkpoint.load_config(run)["left_out"] == 5


def test_a_second_fault_is_one_line_and_the_good_checkpoint_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faulty(monkeypatch, 5, 6)
    with pytest.raises(UserError, match=r"not finite at step 6, a second time; the last .* smaller trainer.learning_r"):
        train_model("CartPole-v1", "auto", OPTIONS, runs=str(tmp_path / "runs"), quiet=True)
    (run,) = (tmp_path / "runs").glob("*/*")
    model, saved = checkpoint.load_model(run, torch.device("cpu"))
    assert saved["step"] == 6 and all(weight.isfinite().all() for weight in model.state_dict().values())
