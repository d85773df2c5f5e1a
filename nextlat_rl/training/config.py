"""Settings of the optimisation."""

from dataclasses import dataclass
from typing import Literal

from nextlat_rl.errors import UserError
from nextlat_rl.seeds import EVALUATION_SEED
from nextlat_rl.settings import above_zero, at_least, literals

_MOST_THREADS = 1024
_MOST_POSITIONS = 2**24


@dataclass
class TrainerConfig:
    """How a model is trained, watched and evaluated.

    Attributes:
        steps: optimiser steps.
        batch_size: windows per batch.
        microbatches: equal shares of a batch, whose gradients are computed one after the other, with random choices of
            their own, and averaged; 0 takes one for each process of torchrun. Each process has as many of them.
        top_return_fraction: fraction of the windows taken from the tenth of the episodes with the highest returns.
        length: steps per window; 0 takes the longest episode's, at most 128.
        optimizer: `muon` takes Muon for the matrices inside the networks and AdamW for the rest, `adamw` AdamW alone.
        muon_learning_rate: peak of Muon's; it follows the same schedule.
        learning_rate: AdamW's peak, after `warmup` steps; falls linearly to a tenth over the last `cooldown` of the
            steps.
        weight_decay: on matrices only.
        clip: largest norm of the gradient.
        warmup: steps of linear warm-up.
        cooldown: fraction of the steps.
        dynamics_finetune_steps: further steps that train the latent dynamics alone, on beliefs of the fixed trunk. They
            are short; their learning rates begin at half of the peaks.
        eval_episodes: episodes of the final evaluation.
        eval_every: steps between evaluations of the policy while it learns, each on the same 32 episodes of the
            diagnosis' seeds; 0 evaluates at the end only.
        eval_first_seed: seed of the first of them; data never uses seeds from 10,000,000 on. Tune on others.
        diagnosis_episodes: real episodes that the dreams are compared with after training, on other seeds, see
            `python -m nextlat_rl.diagnose`; 0 compares nothing and measures no trust horizon.
        log_every: steps between points of the curves.
        save_every: steps between checkpoints.
        threads: torch threads; 0 takes the cores at hand, at most 8.

    Raises:
        UserError: a value outside its range.
    """

    steps: int = 1000
    batch_size: int = 32
    microbatches: int = 0
    top_return_fraction: float = 0.0
    length: int = 0
    optimizer: Literal["muon", "adamw"] = "muon"
    muon_learning_rate: float = 0.02
    learning_rate: float = 3e-3
    weight_decay: float = 0.01
    clip: float = 1.0
    warmup: int = 100
    cooldown: float = 0.4
    dynamics_finetune_steps: int = 1000
    eval_episodes: int = 500
    eval_every: int = 500
    eval_first_seed: int = EVALUATION_SEED
    diagnosis_episodes: int = 256
    log_every: int = 50
    save_every: int = 250
    threads: int = 0

    def __post_init__(self) -> None:
        section = "trainer."
        counts = ("steps", "batch_size", "eval_episodes", "log_every", "save_every")
        at_least(section, self, 1, *counts)
        at_least(section, self, 0, "dynamics_finetune_steps", "length", "weight_decay", "warmup", "cooldown", "threads")
        at_least(section, self, 0, "microbatches", "eval_first_seed", "diagnosis_episodes", "eval_every")
        if self.threads > _MOST_THREADS or self.batch_size * max(self.length, 1) > _MOST_POSITIONS:
            raise UserError(
                f"trainer.threads={self.threads}, trainer.batch_size={self.batch_size}, trainer.length={self.length}: "
                f"use at most {_MOST_THREADS} threads, and batches of at most {_MOST_POSITIONS:,} steps"
            )
        literals(section, self)
        above_zero(section, self, "learning_rate", "muon_learning_rate", "clip")
        fraction, windows = self.top_return_fraction, self.batch_size
        if not 0 <= fraction < 1 or (fraction and windows < 2):
            raise UserError(
                f"trainer.top_return_fraction={fraction} of trainer.batch_size={windows} windows: use "
                "0 <= fraction < 1 and two windows or more"
            )
