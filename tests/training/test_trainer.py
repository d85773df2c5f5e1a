"""The one training loop ends at the last step of both phases, or when it is told to."""

from __future__ import annotations

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
