"""The optimisation. A step depends on (seed, step) and on the weights and optimiser state before it only.

Where a loss or a gradient is not finite, training goes back to the last checkpoint, once: the step at fault then draws
another batch, and all learning rates are half of what they were.
"""

from collections.abc import Callable, Iterator
from typing import Protocol

import torch
from torch import Tensor

from nextlat_rl.models.nextlat import NextLat
from nextlat_rl.objectives.base import weighted_sum
from nextlat_rl.objectives.config import ObjectiveConfig
from nextlat_rl.objectives.dynamics_finetune import (
    FrozenBeliefs,
    dynamics_finetune_losses,
    dynamics_finetune_weights,
    positions_read,
    read_beliefs,
)
from nextlat_rl.objectives.registry import OBJECTIVES, make_objective
from nextlat_rl.training.config import TrainerConfig
from nextlat_rl.training.distributed import average_gradients
from nextlat_rl.training.optimizer import make_optimizer
from nextlat_rl.types import Batch

_LR_FLOOR = 0.1
_OTHER_DRAW = 2**31  # added to the number of a step that was at fault
_AFTER_FAULT = 0.5  # of the learning rates
_FINETUNE_WARMUP = 100
_FINETUNE_FLOOR = 0.02
_FINETUNE_PEAK = 0.5  # of the peaks of training: its batches are smaller


class Batches(Protocol):
    """A source of batches: a pure function of the step."""

    def batch(self, step: int) -> Batch:
        """The batch of optimiser step `step`."""


class Trainer:
    """The optimisation of a model's objective, then on its latent dynamics alone.

    Weights, optimiser state, `step` and `left_out` are its whole state; no random state is carried from step to step.

    Args:
        model: is trained in place.
        batches: for the first `settings.steps` steps.
        objective: what is minimised.
        settings: of the optimisation.
        seed: keys the random choices together with the step.
        dynamics_finetune_batches: whose beliefs the `settings.dynamics_finetune_steps` steps that follow learn from; by
            default `batches`.
    """

    def __init__(
        self,
        model: NextLat,
        batches: Batches,
        objective: ObjectiveConfig,
        settings: TrainerConfig,
        seed: int,
        dynamics_finetune_batches: Batches | None = None,
    ) -> None:
        self.model, self.batches, self.dynamics_finetune_batches = model, batches, dynamics_finetune_batches or batches
        self.objective, self.settings, self.seed = make_objective(objective), settings, seed
        self.optimizer = make_optimizer(model, settings)
        self.step = 0
        self.left_out: int | None = None  # the step that was at fault, after a roll-back
        self._fault = torch.full((), -1, device=model.start.device)
        self.total_steps = total_steps(settings, objective.name)
        self._beliefs: FrozenBeliefs | None = None

    @property
    def finetuning(self) -> bool:
        """Whether only the latent dynamics is still trained."""
        return self.settings.steps <= self.step < self.total_steps

    def run(self, after_step: Callable[[dict[str, Tensor]], bool]) -> None:
        """Take all remaining steps; `after_step` gets the losses of each and ends training by returning True."""
        while self.step < self.total_steps:
            if after_step(self.train_step()):
                return

    def train_step(self) -> dict[str, Tensor]:
        """One optimiser step; the unweighted losses, `loss` and `grad_norm`, as scalars on the device."""
        self.model.train()
        self.optimizer.scale_learning_rate(self.learning_rate() / self.settings.learning_rate)
        losses = self._losses()
        loss = weighted_sum(losses, self._weights())
        self.optimizer.zero_grad()
        loss.backward()
        average_gradients(self.model)
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.clip)
        self.optimizer.step()
        faulty = ~(torch.isfinite(norm) & torch.isfinite(loss.detach())) & (self._fault < 0)
        self._fault = torch.where(faulty, self.step, self._fault)
        self.step += 1
        return {name: value.detach() for name, value in losses.items()} | {"loss": loss.detach(), "grad_norm": norm}

    def fault(self) -> int | None:
        """The first step whose loss or gradient was not finite, if there was one; waits for the device."""
        step = int(self._fault)
        return step if step >= 0 else None

    def go_back(self, step: int, left_out: int) -> None:
        """Take up training at `step`, with its weights and optimiser state, after a fault at step `left_out`."""
        self.step, self.left_out, self._beliefs = step, left_out, None
        self._fault.fill_(-1)

    def _losses(self) -> dict[str, Tensor]:
        draw = self.step + (_OTHER_DRAW if self.step == self.left_out else 0)
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + draw)
        if self.finetuning:
            if self._beliefs is None:
                self._beliefs = self._read_beliefs()
            return dynamics_finetune_losses(self.model, self._beliefs, self.objective.config, generator)
        batch = self.batches.batch(draw).to(self.model.start.device)
        return self.objective.losses(self.model, batch, generator)

    def _weights(self) -> dict[str, float]:
        if self.finetuning:
            return dynamics_finetune_weights(self.objective.config)
        return self.objective.weights(self.step / self.settings.steps)

    def _read_beliefs(self) -> FrozenBeliefs:
        """The same ones whenever fine-tuning is resumed."""
        generator = torch.Generator().manual_seed(self.seed)
        return read_beliefs(self.model, self._finetune_batches(), self.objective.config, generator)

    def _finetune_batches(self) -> Iterator[Batch]:
        wanted = positions_read(self.settings.dynamics_finetune_steps, self.model.belief_size)
        step = self.settings.steps
        while wanted > 0:
            batch = self.dynamics_finetune_batches.batch(step).to(self.model.start.device)
            yield batch
            wanted -= batch.has_next.numel()
            step += 1

    def learning_rate(self) -> float:
        """AdamW's at this step, see `TrainerConfig`; half of it after a roll-back."""
        return self._scheduled_rate() * (1.0 if self.left_out is None else _AFTER_FAULT)

    def _scheduled_rate(self) -> float:
        """Linear warm-up, constant, linear cool-down; without the constant part in the fine-tuning."""
        settings, step = self.settings, self.step
        if self.finetuning:
            step -= settings.steps
            falling = 1 - (1 - _FINETUNE_FLOOR) * step / settings.dynamics_finetune_steps
            return settings.learning_rate * _FINETUNE_PEAK * min(1.0, (step + 1) / _FINETUNE_WARMUP) * falling
        warm = min(1.0, (step + 1) / max(settings.warmup, 1))
        remaining = (settings.steps - step) / max(settings.cooldown * settings.steps, 1)
        cool = min(1.0, _LR_FLOOR + (1 - _LR_FLOOR) * max(remaining, 0.0))
        return settings.learning_rate * warm * cool


def total_steps(settings: TrainerConfig, objective: str) -> int:
    """Steps of both phases; the second only for an objective that trains the latent dynamics."""
    return settings.steps + (settings.dynamics_finetune_steps if OBJECTIVES.load(objective).trains_dynamics else 0)
