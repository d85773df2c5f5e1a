"""The training loop around a `Trainer`: progress, curves, checkpoints, Ctrl-C."""

import copy
import json
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import NoReturn

from omegaconf import OmegaConf
from torch import Tensor

from nextlat_rl.console import Bar, bar, make_console
from nextlat_rl.errors import UserError
from nextlat_rl.jobs.evaluation import ActingConfig, eval_tags, score
from nextlat_rl.jobs.run import RunContext
from nextlat_rl.metrics.beliefs import belief_rank, held_out_losses, latent_error_by_horizon
from nextlat_rl.notices import costs_only
from nextlat_rl.results import git_revision
from nextlat_rl.seeds import DIAGNOSIS_SEED
from nextlat_rl.training import checkpoint
from nextlat_rl.training.tracking import Tracker
from nextlat_rl.training.trainer import Trainer
from nextlat_rl.types import Batch
from nextlat_rl.world_model import WorldModel

_ERROR_HORIZONS = (1, 2, 4, 8, 16)
_CURVE_EPISODES = 32


class TrainingLoop:
    """Trains to the last step or to Ctrl-C, and leaves curves and checkpoints in a run folder.

    Args:
        trainer: what takes the steps.
        context: the run.
    """

    def __init__(self, trainer: Trainer, context: RunContext) -> None:
        self.trainer, self.context, self.config = trainer, context, context.config
        self.folder, self.console = context.folder, context.console
        self.tracker = Tracker(context.folder)
        self.interrupted = False

    def begin(self) -> None:
        """Say what is trained on what, and keep the settings and the first checkpoint."""
        model, store = self.trainer.model, self.context.store
        settings = OmegaConf.to_yaml(OmegaConf.create(asdict(self.config)))
        (self.folder / "config.yaml").write_text(settings)
        self.tracker.text("config", f"```yaml\n{settings}```")
        self.tracker.text("git_revision", git_revision())
        self.tracker.text("data", f"{self.context.dataset_id}\n\n```json\n{json.dumps(store.summary, indent=1)}\n```")
        self.console.print(
            f"Training {self.config.objective.name} on {store.num_transitions:,} steps of {store.num_episodes:,} "
            f"episodes (mean return {store.summary['return_mean']:.3f}); "
            f"{sum(p.numel() for p in model.parameters()):,} weights on {model.start.device}, run folder {self.folder}",
            highlight=False,
        )
        self.save()

    def save(self) -> None:
        """Write a checkpoint."""
        extra = {
            "env_id": self.context.env_id,
            "discount": self.config.objective.discount,
            "dataset_id": self.context.dataset_id,
            "train_config": asdict(self.config),
        }
        trainer = self.trainer
        checkpoint.save(self.folder / "checkpoints", trainer.step, trainer.model, trainer.optimizer, extra)

    def run(self, held_out: Batch) -> None:
        """Train to the last step.

        Raises:
            SystemExit: 130 after Ctrl-C or SIGTERM, with a checkpoint of the last step done.
            UserError: the loss is no longer finite.
        """
        settings, trainer = self.config.trainer, self.trainer
        with bar(self.console, "Training", trainer.total_steps, "steps") as shown, self._stop_on_signal():
            logged, since = trainer.step, time.monotonic()

            def after_step(losses: dict[str, Tensor]) -> bool:
                nonlocal logged, since
                if trainer.step % settings.log_every == 0 or trainer.step == trainer.total_steps:
                    speed = (trainer.step - logged) / (time.monotonic() - since)
                    self._log({name: float(value) for name, value in losses.items()}, speed, shown)
                    logged, since = trainer.step, time.monotonic()
                if trainer.step % settings.save_every == 0:
                    self.save()
                    self._diagnose(held_out)
                if settings.eval_every and trainer.step % settings.eval_every == 0 and trainer.step < settings.steps:
                    self._evaluate()
                return self.interrupted

            trainer.run(after_step)
            self.save()
        if self.interrupted:
            self.stop()

    def stop(self) -> NoReturn:
        """Say how to resume, and exit with code 130."""
        self.tracker.close()
        self.console.print(
            f"\nStopped at step {self.trainer.step:,} of {self.trainer.total_steps:,}; the checkpoint is kept. Resume "
            f"with:\n  python -m nextlat_rl.train resume={self.folder}{self.config.env.consent}",
            highlight=False,
        )
        raise SystemExit(130)

    def _log(self, losses: dict[str, float], speed: float, shown: Bar) -> None:
        step = self.trainer.step
        if not all(abs(value) < float("inf") for value in losses.values()):
            raise UserError(
                f"the loss is no longer finite at step {step}; resume={self.folder} with a smaller "
                "trainer.learning_rate"
            )
        curves = {f"loss/{name}": value for name, value in losses.items() if name not in ("loss", "grad_norm")}
        curves |= {
            "train/loss": losses["loss"],
            "train/grad_norm": losses["grad_norm"],
            "train/learning_rate": self.trainer.learning_rate(),
            "time/steps_per_second": speed,
        }
        self.tracker.scalars(curves, step)
        parts = [f"{name} {losses[name]:.4f}" for name in ("policy", "latent") if name in losses]
        shown.update(step, "  ".join([f"loss {losses['loss']:.3f}", *parts]))

    def _evaluate(self) -> None:
        """A point of the curve of returns: a copy acts, for an agent's traces and packed weights slow training.

        An environment that fails here costs the point, not the training.
        """
        with costs_only(f"the evaluation after {self.trainer.step:,} steps of training"):
            self._point_of_curve()

    def _point_of_curve(self) -> None:
        config = self.config
        world_model = WorldModel(
            copy.deepcopy(self.trainer.model), self.context.env_id, config.objective.discount, config.objective.name
        )
        acting = ActingConfig(config.acting, deterministic=config.deterministic, seed=config.seed)
        row, _ = score(
            world_model,
            self.context.env_id,
            acting,
            episodes=_CURVE_EPISODES,
            console=make_console(quiet=False, silent=True),
            first_seed=DIAGNOSIS_SEED,
        )
        self.tracker.scalars(eval_tags(row), self.trainer.step)

    def _diagnose(self, held_out: Batch) -> None:
        model = self.trainer.model.eval()
        errors = latent_error_by_horizon(model, held_out, max(_ERROR_HORIZONS))
        curves = {"diagnostics/effective_rank": belief_rank(model, held_out)}
        losses = held_out_losses(model, held_out, self.trainer.objective.config)
        curves |= {f"held_out/{name}": value for name, value in losses.items()}
        for name in set(errors) - {"still"}:
            for i in _ERROR_HORIZONS:
                if i <= len(errors[name]):
                    curves[f"latent_error/{name}_{i:02d}"] = errors[name][i - 1]
        self.tracker.scalars(curves, self.trainer.step)

    @contextmanager
    def _stop_on_signal(self) -> Iterator[None]:
        """Ctrl-C and SIGTERM finish the step at hand; a second Ctrl-C stops at once."""

        def handler(number: int, frame: object) -> None:
            self.interrupted = True
            signal.signal(signal.SIGINT, signal.default_int_handler)

        kept = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, old in kept.items():
                signal.signal(number, old)
