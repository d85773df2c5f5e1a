"""The losses of the first training steps of every objective are those that were recorded.

`python -m tests.training.test_golden_losses` records them anew: after a change that is meant to change them, which a
line in CHANGELOG.md then tells.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from nextlat_rl.objectives.config import OBJECTIVES, ObjectiveConfig, trains_dynamics
from nextlat_rl.training.config import TrainerConfig
from nextlat_rl.training.trainer import Trainer
from nextlat_rl.types import Batch
from tests.helpers.tiny import make_batch, tiny_model

FILE = Path(__file__).parents[1] / "data_samples" / "golden_losses.json"
STEPS, LAST_PHASE, MUON_STEPS = 20, 10, 4
# Other CPUs and versions of torch round otherwise. With AdamW the same steps in double precision, or from weights that
# differ by 1e-6, give all losses within 3e-6. Muon takes matrix products in bfloat16, which makes 3e-4 of it within 4
# steps and 1e-2 within 20.
TOLERANCE = {"adamw": 1e-4, "muon": 1e-3}
RUNS = [*((name, "adamw") for name in OBJECTIVES.names()), ("nextlat", "muon")]
Curves = dict[str, list[float]]


class Batches:
    def batch(self, step: int) -> Batch:
        return make_batch([[7, 9], [16], [5, 4, 7]], seed=step)


def trainer(name: str, optimizer: Any) -> Trainer:
    settings = TrainerConfig(steps=STEPS, dynamics_finetune_steps=LAST_PHASE, warmup=5, optimizer=optimizer)
    objective = ObjectiveConfig(name=name, horizon=3, policy_temperature=1.0)
    return Trainer(tiny_model(baseline=name, horizon=3), Batches(), objective, settings, seed=0)


def losses(name: str, optimizer: str, change: Callable[[Trainer], None] = lambda trained: None) -> Curves:
    """Every loss of every step; those of the last phase begin with `last_phase/`."""
    trained, curves = trainer(name, optimizer), Curves()
    change(trained)
    while trained.step < (MUON_STEPS if optimizer == "muon" else trained.total_steps):
        phase = "last_phase/" if trained.finetuning else ""
        for loss, value in trained.train_step().items():
            curves.setdefault(phase + loss, []).append(float(f"{float(value):.7g}"))
    return curves


def compare(found: Curves, wanted: Curves, optimizer: str) -> None:
    assert found.keys() == wanted.keys()
    for loss, curve in wanted.items():
        assert found[loss] == pytest.approx(curve, rel=TOLERANCE[optimizer], abs=1e-6), loss


@pytest.fixture(scope="module")
def recorded() -> dict[str, Curves]:
    return json.loads(FILE.read_text())  # type: ignore[no-any-return]


def test_every_objective_is_recorded_and_so_is_the_last_phase(recorded: dict[str, Curves]) -> None:
    assert list(recorded) == [f"{name} {optimizer}" for name, optimizer in RUNS]
    for name in OBJECTIVES.names():
        curves = recorded[f"{name} adamw"]
        assert len(curves["loss"]) == STEPS
        assert len(curves.get("last_phase/loss", [])) == LAST_PHASE * trains_dynamics(name)


@pytest.mark.parametrize(("name", "optimizer"), RUNS)
def test_the_losses_are_those_recorded(name: str, optimizer: str, recorded: dict[str, Curves]) -> None:
    compare(losses(name, optimizer), recorded[f"{name} {optimizer}"], optimizer)


def faster(trained: Trainer) -> None:
    trained.optimizer.peaks = [1.01 * peak for peak in trained.optimizer.peaks]


def other_value(trained: Trainer) -> None:
    trained.objective.config.lambda_ += 0.01


def other_last_phase(trained: Trainer) -> None:
    trained.settings.dynamics_finetune_steps += 1


@pytest.mark.parametrize(
    ("change", "optimizer"),
    [(faster, "muon"), *((change, "adamw") for change in (faster, other_value, other_last_phase))],
)
def test_a_small_change_is_noticed(
    change: Callable[[Trainer], None], optimizer: str, recorded: dict[str, Curves]
) -> None:
    with pytest.raises(AssertionError):
        compare(losses("nextlat", optimizer, change), recorded[f"nextlat {optimizer}"], optimizer)


def main() -> None:
    torch.set_num_threads(1)
    FILE.write_text(json.dumps({f"{name} {optimizer}": losses(name, optimizer) for name, optimizer in RUNS}) + "\n")


if __name__ == "__main__":
    main()
