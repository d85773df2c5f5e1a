"""What a training step of each objective costs beside GPT's, on the same batches."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from benchmarks.suites.paper.data import gathered
from benchmarks.suites.paper.fit import train_settings
from benchmarks.suites.paper.published import STEP_COST, cost_name
from benchmarks.timing import interleave
from nextlat_rl import Trainer
from nextlat_rl.console import bar
from nextlat_rl.data.batches import Batcher
from nextlat_rl.data.store import Store
from nextlat_rl.training.build import build_model, window_length

_ENV = "NextLat/StreetMap-10x10"
_EPISODES = 1000


def cost_rows(model: tuple[str, ...], quick: bool, console: Console) -> list[dict[str, Any]]:
    """Figures of each objective and horizon: the median of the ratios of two interleaved steps.

    Args:
        model: settings of `nextlat_rl.train` that say what model is timed; none is the main job's default.
        quick: only see that it runs.
        console: for the progress bar.

    """
    store = gathered(_ENV, "random_walk", 60 if quick else _EPISODES, console)
    rounds = 2 if quick else 10
    rows: list[dict[str, Any]] = []
    settings = [(name, d) for name, costs in STEP_COST.items() for d in costs]
    with bar(console, "Timing training steps", len(settings), "settings") as shown:
        for name, d in settings:
            ours, gpt = _trainer(store, name, d, model), _trainer(store, "gpt", d, model)
            seconds, seconds_gpt, ratio = interleave(ours.train_step, gpt.train_step, rounds)
            row = {"agent": cost_name(name, d), "measure": "step / GPT's", "value": ratio}
            rows.append(row | {"step_seconds": seconds, "gpt_step_seconds": seconds_gpt})
            shown.update(len(rows))
    return rows


def _trainer(store: Store, name: str, horizon: int, model: tuple[str, ...]) -> Trainer:
    """The main job's default objective, but without open-loop roll-outs, which the paper does not have."""
    options = (
        f"env={_ENV}",
        f"objective.name={name}",
        f"objective.horizon={horizon}",
    )
    config = train_settings(*options, *model)
    length = window_length(store)
    batches = Batcher(store, config.trainer.batch_size, length, seed=0)
    model_ = build_model(config.model, config.objective, store, length)
    return Trainer(model_, batches, config.objective, config.trainer, seed=0)
