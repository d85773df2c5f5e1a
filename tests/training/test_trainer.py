"""The one training loop ends at the last step of both phases, or when it is told to."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from nextlat_rl.objectives.config import ObjectiveConfig
from nextlat_rl.training.config import TrainerConfig
from nextlat_rl.training.trainer import Trainer
from nextlat_rl.types import Batch
from tests.helpers.tiny import make_batch, tiny_model


class Batches:
    def batch(self, step: int) -> Batch:
        return make_batch([[6, 6], [12]], seed=step)


def test_it_stops_early_where_it_is_told_to_and_goes_on_from_there() -> None:
    settings = TrainerConfig(steps=3, dynamics_finetune_steps=1)
    trainer = Trainer(tiny_model(), Batches(), ObjectiveConfig(), settings, seed=0)
    seen: list[tuple[int, bool]] = []

    def after_step(losses: dict[str, Tensor]) -> bool:
        seen.append((trainer.step, "loss" in losses))
        return trainer.step == 2

    trainer.run(after_step)
    assert seen == [(1, True), (2, True)]
    trainer.run(after_step)
    assert seen[2:] == [(3, True), (4, True)] and trainer.step == trainer.total_steps
    trainer.run(after_step)
    assert len(seen) == 4


class Recorded(Batches):
    """Notes which batches were drawn."""

    def __init__(self) -> None:
        self.drawn: list[int] = []

    def batch(self, step: int) -> Batch:
        self.drawn.append(step)
        return super().batch(step % 1000)


def test_the_first_fault_is_known_and_after_it_another_batch_is_drawn_at_half_the_rate() -> None:
    batches = Recorded()
    settings = TrainerConfig(steps=6, dynamics_finetune_steps=0, warmup=0, cooldown=0.0)
    trainer = Trainer(tiny_model(), batches, ObjectiveConfig(), settings, seed=0)
    trainer.train_step()
    assert trainer.fault() is None
    good = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    rate = trainer.learning_rate()
    with torch.no_grad():
        next(trainer.model.parameters()).fill_(math.nan)
    trainer.train_step()
    trainer.train_step()
    assert trainer.fault() == 1
    trainer.model.load_state_dict(good)
    trainer.go_back(1, left_out=2)
    assert trainer.fault() is None and trainer.learning_rate() == pytest.approx(rate / 2)
    batches.drawn.clear()
    trainer.train_step()
    trainer.train_step()
    assert batches.drawn[0] == 1 and batches.drawn[1] not in range(1000)
