"""The processes of torchrun in the main job: the main one does all of it, and calls the others to train with it."""

import copy
import signal
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np
from torch import Tensor

from nextlat_rl.data.store import Store
from nextlat_rl.jobs.config import TrainConfig
from nextlat_rl.models.nextlat import NextLat
from nextlat_rl.notices import NextLatWarning
from nextlat_rl.runtime import pick_device, set_threads
from nextlat_rl.signals import exit_code, interruption, signals_to
from nextlat_rl.training.build import make_trainer
from nextlat_rl.training.config import TrainerConfig
from nextlat_rl.training.distributed import (
    all_at_work,
    broadcast_from_main,
    check_device,
    init,
    rank_and_world_size,
    share_count,
)
from nextlat_rl.training.trainer import Trainer

_ASK_EVERY = 16  # steps between questions to a GPU whether all was finite


@dataclass(frozen=True)
class Order:
    """What the other processes need to train with the main one; of the data it is the folder."""

    config: TrainConfig
    store: Path  # folder of the training data
    episodes: np.ndarray  # [E] those to train on
    length: int  # steps per window
    model: NextLat  # as it is before the next step, on the CPU
    optimizer: dict[str, Tensor]
    step: int
    left_out: int | None
    remedy: str  # what to do once a process has died


def with_shares(config: TrainConfig) -> TrainConfig:
    """The settings with the number of shares of a batch, which is saved with the run.

    Raises:
        UserError: see `share_count` and `check_device`.
    """
    check_device(pick_device(config.device))
    return replace(config, trainer=replace(config.trainer, microbatches=share_count(config.trainer)))


def call(trainer: Trainer, config: TrainConfig, store: Store, episodes: np.ndarray, length: int, remedy: str) -> None:
    """Let all processes take the trainer's next steps; nothing where there are no others."""
    if rank_and_world_size()[1] == 1:
        return
    broadcast_from_main(
        lambda: Order(
            config,
            store.path,
            episodes,
            length,
            copy.deepcopy(trainer.model).cpu(),
            {name: tensor.cpu() for name, tensor in trainer.optimizer.tensors().items()},
            trainer.step,
            trainer.left_out,
            remedy,
        )
    )


def follow() -> None:
    """Train with the main process whenever it calls, until it leaves.

    Raises:
        UserError: another process has died, or this one cannot read the data.
        SystemExit: 143 or 130 after a signal.
    """
    warnings.simplefilter("ignore", NextLatWarning)  # the main process says it
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # nothing here is lost while it waits
    init()
    while True:
        with all_at_work("run the same command again"):
            order = cast("Order", broadcast_from_main(lambda: None))
        _train_along(order)


def _train_along(order: Order) -> None:
    config, received = order.config, list[int]()
    set_threads(config.trainer.threads)
    model, store = order.model.to(pick_device(config.device)), Store.open(order.store)
    trainer = make_trainer(model, store, order.episodes, config.objective, config.trainer, order.length, config.seed)
    trainer.optimizer.load_tensors(order.optimizer)
    trainer.step, trainer.left_out = order.step, order.left_out
    with signals_to(lambda number, frame: received.append(number)), all_at_work(order.remedy):
        stopped = trainer.run(lambda losses: faulty(trainer, config.trainer), lambda: bool(received))
    if stopped:
        raise SystemExit(exit_code(interruption(received[0] if received else signal.SIGTERM)))


def faulty(trainer: Trainer, settings: TrainerConfig) -> bool:
    """Whether a loss or gradient was not finite, asked at the same steps in all processes: a GPU waits for it.

    No point is logged and nothing is saved without asking.
    """
    step = trainer.step
    known = step % settings.log_every == 0 or step % settings.save_every == 0 or step == trainer.total_steps
    asks = trainer.model.start.device.type == "cpu" or known or step % _ASK_EVERY == 0
    return asks and trainer.fault() is not None
