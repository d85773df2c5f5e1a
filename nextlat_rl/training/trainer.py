"""The optimisation. A step depends on (seed, step) and on the weights and optimiser state before it only.

A batch is divided into equal shares (`trainer.microbatches`), each with random choices of its own. A step takes the
mean of their losses, so it does not matter, but for rounding, among how many processes the shares are divided.

Where a loss or a gradient is not finite, training goes back to the last checkpoint, once: the step at fault then draws
another batch, and all learning rates are half of what they were.
"""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import partial
from typing import Protocol

import torch
from torch import Tensor, nn

from nextlat_rl.models.nextlat import NextLat
from nextlat_rl.objectives.base import weighted_sum
from nextlat_rl.objectives.config import ObjectiveConfig
from nextlat_rl.objectives.dynamics_finetune import (
    FrozenBeliefs,
    dynamics_finetune_losses,
    dynamics_finetune_weights,
    finetuned,
    positions_read,
    read_beliefs,
)
from nextlat_rl.objectives.registry import OBJECTIVES, make_objective
from nextlat_rl.training.config import TrainerConfig
from nextlat_rl.training.distributed import (
    accumulating,
    any_process,
    data_parallel,
    mean_over_processes,
    rank_and_world_size,
    share_count,
)
from nextlat_rl.training.optimizer import make_optimizer
from nextlat_rl.types import Batch

_LR_FLOOR = 0.1
_OTHER_DRAW = 2**31  # added to the number of a step that was at fault
_OTHER_SHARE = 2_654_435_761  # 2**32 over the golden ratio: the shares' seeds lie far apart
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
        batches: for the first `settings.steps` steps; of several processes each gives its own windows alone.
        objective: what is minimised.
        settings: of the optimisation.
        seed: keys the random choices together with the step.
        dynamics_finetune_batches: whose beliefs the `settings.dynamics_finetune_steps` steps that follow learn from; by
            default `batches`.

    Raises:
        UserError: a batch cannot be divided into its shares, see `share_count`.
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
        self._shares = share_count(settings)
        self._rank, self._processes = rank_and_world_size()
        self._own = self._shares // self._processes  # shares of this process
        self._beliefs: list[FrozenBeliefs] = []  # of each of them
        self._phase: tuple[bool, nn.Module] | None = None  # whether it is the last phase, and what computes its losses

    @property
    def finetuning(self) -> bool:
        """Whether only the latent dynamics is still trained."""
        return self.settings.steps <= self.step < self.total_steps

    def run(self, after_step: Callable[[dict[str, Tensor]], bool], asked: Callable[[], bool] = lambda: False) -> bool:
        """Take all remaining steps.

        Args:
            after_step: gets the losses of each step, and ends training by returning True in every process.
            asked: whether this process is asked to stop; training ends before the next step where any is.

        Returns:
            Whether a process was asked to stop.
        """
        while self.step < self.total_steps:
            if any_process(asked()):
                return True
            if after_step(self.train_step()):
                return False
        return False

    def train_step(self) -> dict[str, Tensor]:
        """One optimiser step; the unweighted losses, `loss` and `grad_norm`, as scalars on the device."""
        self.model.train()
        self.optimizer.scale_learning_rate(self.learning_rate() / self.settings.learning_rate)
        self.optimizer.zero_grad()
        losses = mean_over_processes(self._backward())
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.clip)
        self.optimizer.step()
        faulty = ~(torch.isfinite(norm) & torch.isfinite(losses["loss"])) & (self._fault < 0)
        self._fault = torch.where(faulty, self.step, self._fault)
        self.step += 1
        return losses | {"grad_norm": norm}

    def fault(self) -> int | None:
        """The first step whose loss or gradient was not finite, if there was one; waits for the device."""
        step = int(self._fault)
        return step if step >= 0 else None

    def go_back(self, step: int, left_out: int) -> None:
        """Take up training at `step`, with its weights and optimiser state, after a fault at step `left_out`."""
        self.step, self.left_out, self._phase = step, left_out, None
        self._fault.fill_(-1)

    def _backward(self) -> dict[str, Tensor]:
        """The losses, means over this process's shares; the gradients are means over all shares."""
        if self._phase is None or self._phase[0] != self.finetuning:
            self._phase = self.finetuning, self._begin_phase()
        losses_of, weights, draw = self._phase[1], self._weights(), self._draw()
        batch = None if self.finetuning else self.batches.batch(draw).to(self.model.start.device)
        found = []
        for own in range(self._own):
            with nullcontext() if own + 1 == self._own else accumulating(losses_of):
                losses = losses_of(partial(self._losses, batch, own, self._generator(draw, own)))
                losses["loss"] = weighted_sum(losses, weights)
                (losses["loss"] / self._own).backward()
            found.append({name: value.detach() for name, value in losses.items()})
        return {name: torch.stack([losses[name] for losses in found]).mean() for name in found[0]}

    def _losses(self, batch: Batch | None, own: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Of one of this process's shares of its windows, or in the last phase of its beliefs."""
        config = self.objective.config
        if batch is None:
            return dynamics_finetune_losses(self.model, self._beliefs[own], config, generator, self.step, self._shares)
        return self.objective.losses(self.model, batch.part(own, self._own), generator)

    def _begin_phase(self) -> nn.Module:
        """What computes the losses of a phase; reads the beliefs of the last one, the same ones at every resumption."""
        if not self.finetuning:
            return data_parallel(self.model.parameters())
        self._beliefs = []
        for own in range(self._own):
            windows = (batch.part(own, self._own) for batch in self._finetune_batches())
            self._beliefs.append(read_beliefs(self.model, windows, self.objective.config, self._generator(0, own)))
        return data_parallel(finetuned(self.model))

    def _draw(self) -> int:
        return self.step + (_OTHER_DRAW if self.step == self.left_out else 0)

    def _generator(self, draw: int, own: int) -> torch.Generator:
        """Of the random choices for one of this process's shares."""
        share = self._rank + self._processes * own
        return torch.Generator().manual_seed(self.seed * 1_000_003 + draw + share * _OTHER_SHARE)

    def _weights(self) -> dict[str, float]:
        if self.finetuning:
            return dynamics_finetune_weights(self.objective.config)
        return self.objective.weights(self.step / self.settings.steps)

    def _finetune_batches(self) -> Iterator[Batch]:
        wanted = positions_read(self.settings.dynamics_finetune_steps, self.model.belief_size)
        step = self.settings.steps
        while wanted > 0:
            batch = self.dynamics_finetune_batches.batch(step).to(self.model.start.device)
            yield batch
            wanted -= batch.has_next.numel() * self._processes
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
