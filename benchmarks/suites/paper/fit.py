"""Train one objective on one of the paper's tasks, in this process or in those of torchrun together."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from rich.console import Console
from torch import Tensor

from nextlat_rl.console import bar
from nextlat_rl.data.batches import split
from nextlat_rl.data.store import Store
from nextlat_rl.jobs.compose import compose
from nextlat_rl.jobs.config import TrainConfig
from nextlat_rl.models.nextlat import NextLat
from nextlat_rl.runtime import pick_device
from nextlat_rl.training.build import HELD_OUT, build_model, make_trainer, window_length
from nextlat_rl.training.distributed import broadcast_from_main

QUICK = ("trainer.steps=10", "trainer.batch_size=8", "model.layers=2", "model.heads=2", "model.width=32")


@dataclass(frozen=True)
class Fitted:
    """A trained model, and what it took."""

    model: NextLat
    steps: int
    seconds: float


def train_settings(*options: str) -> TrainConfig:
    """Settings of the main job for a token task, changed by `options` in its own notation."""
    return compose("train", TrainConfig, options)


def fit(
    config: TrainConfig,
    store: Store,
    console: Console,
    done: Callable[[NextLat], bool] | None = None,
    check_every: int = 0,
) -> Fitted:
    """Train from nothing; `config.seed` decides weights and batches.

    Args:
        config: the settings.
        store: the data; the share `HELD_OUT` of its episodes, chosen by the seed, is left out.
        console: for the progress bar.
        done: stops training early once it is true of the model.
        check_every: ask `done` after so many steps each; 0 never asks.

    """
    length = window_length(store, config.trainer.length)
    training, _ = split(store, HELD_OUT, config.seed)
    torch.manual_seed(config.seed)
    model = build_model(config.model, config.objective, store, length).to(pick_device(config.device))
    trainer = make_trainer(model, store, training, config.objective, config.trainer, length, config.seed)
    started = time.monotonic()
    title = f"Training {config.objective.name}, seed {config.seed}"
    with bar(console, title, trainer.total_steps, "steps") as shown:

        def after_step(losses: dict[str, Tensor]) -> bool:
            if trainer.step % config.trainer.log_every == 0:
                shown.update(trainer.step, f"policy {float(losses['policy']):.4f}" if "policy" in losses else "")
            if done is None or not check_every or trainer.step % check_every:
                return False
            return broadcast_from_main(partial(done, model.eval()))

        trainer.run(after_step)
    return Fitted(model.eval(), trainer.step, time.monotonic() - started)
