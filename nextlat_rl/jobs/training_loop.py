"""The training loop around a `Trainer`: progress, curves, checkpoints, Ctrl-C."""

import copy
import json
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, NoReturn

from omegaconf import OmegaConf
from torch import Tensor

from nextlat_rl.console import Bar, bar, make_console
from nextlat_rl.durable import write_text
from nextlat_rl.errors import UserError
from nextlat_rl.jobs.evaluation import ActingConfig, eval_tags, score
from nextlat_rl.jobs.ranks import faulty
from nextlat_rl.jobs.run import RunContext
from nextlat_rl.jobs.unfinished import reported_step
from nextlat_rl.metrics.beliefs import belief_rank, held_out_losses, latent_error_by_horizon
from nextlat_rl.notices import costs_only
from nextlat_rl.results import git_revision
from nextlat_rl.seeds import DIAGNOSIS_SEED
from nextlat_rl.signals import Terminated, exit_code, interruption, signals_to
from nextlat_rl.torchrun import launched
from nextlat_rl.training import checkpoint
from nextlat_rl.training.distributed import all_at_work
from nextlat_rl.training.tracking import Tracker, take_up
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
        call: lets the other processes of torchrun take the trainer's next steps too; gets what to do if one dies.
    """

    def __init__(self, trainer: Trainer, context: RunContext, call: Callable[[str], None]) -> None:
        self.trainer, self.context, self.config, self._call = trainer, context, context.config, call
        self.folder, self.console = context.folder, context.console
        # A run that ended at this step and is now trained on has nothing to be logged again.
        ended_here = reported_step(self.folder) == trainer.step < trainer.total_steps
        self.again = bool(self.config.resume) and not ended_here
        purge = trainer.step + 1 if self.config.resume else None
        self.tracker = take_up(self.folder, trainer.step) if self.again else Tracker(self.folder, purge)
        self.interrupted: KeyboardInterrupt | None = None
        self._between_steps = False

    def begin(self) -> None:
        """Say what is trained on what, and keep the settings and the first checkpoint."""
        model, store = self.trainer.model, self.context.store
        self._keep_settings(OmegaConf.to_yaml(OmegaConf.create(self._settings())))
        self.console.print(
            f"Training {self.config.objective.name} on {store.num_transitions:,} steps of {store.num_episodes:,} "
            f"episodes (mean return {store.summary['return_mean']:.3f}); "
            f"{sum(p.numel() for p in model.parameters()):,} weights on {model.start.device}, run folder {self.folder}",
            highlight=False,
        )
        self.save()
        if checkpoint.load_config(self.folder).get("train_config") != self._settings():
            # Else a run that is killed before its next checkpoint would forget what was asked of it.
            checkpoint.annotate(self.folder, dataset_id=self.context.dataset_id, train_config=self._settings())

    def _settings(self) -> dict[str, Any]:
        """All settings as JSON has them, the same whether the run was resumed or not."""
        settings: dict[str, Any] = json.loads(json.dumps(asdict(self.config) | {"resume": None}))
        return settings

    def _keep_settings(self, settings: str) -> None:
        file = self.folder / "config.yaml"
        if self.trainer.step and file.exists() and file.read_text() == settings:
            return  # a point of each text is there
        store, step = self.context.store, self.trainer.step
        self.tracker.text("config", f"```yaml\n{settings}```", step)
        self.tracker.text("git_revision", git_revision(), step)
        data = f"{self.context.dataset_id}\n\n```json\n{json.dumps(store.summary, indent=1)}\n```"
        self.tracker.text("data", data, step)
        self.tracker.flush()
        write_text(file, settings)

    def save(self) -> None:
        """Write a checkpoint, and before it all points of the curves: who resumes from it finds them."""
        trainer = self.trainer
        self.tracker.flush()
        extra = {
            "env_id": self.context.env_id,
            "discount": self.config.objective.discount,
            "dataset_id": self.context.dataset_id,
            "train_config": self._settings(),
            "left_out": trainer.left_out,
        }
        checkpoint.save(self.folder / "checkpoints", trainer.step, trainer.model, trainer.optimizer, extra)

    def run(self, held_out: Batch) -> None:
        """Train to the last step.

        Raises:
            KeyboardInterrupt: after Ctrl-C or SIGTERM, with a checkpoint of the last step done; at once, without one,
                after a second Ctrl-C.
            UserError: losses or gradients are not finite, a second time.
        """
        trainer = self.trainer
        with bar(self.console, "Training", trainer.total_steps, "steps") as shown, signals_to(self._on_signal):
            try:
                if self.again:
                    self._watch(held_out)
                with all_at_work(self._kept):
                    self._take_steps(held_out, shown)
            except KeyboardInterrupt:
                if not self._between_steps:
                    raise
            self.save()
        if self.interrupted is not None:
            raise self.interrupted

    def _take_steps(self, held_out: Batch, shown: Bar) -> None:
        settings, trainer = self.config.trainer, self.trainer
        logged, since = trainer.step, time.monotonic()

        def after_step(losses: dict[str, Tensor]) -> bool:
            nonlocal logged, since
            logs = trainer.step % settings.log_every == 0 or trainer.step == trainer.total_steps
            if faulty(trainer, settings):
                self._roll_back()
                self._call(self._kept)
                logged, since = trainer.step, time.monotonic()
                return False
            if logs:
                speed = (trainer.step - logged) / (time.monotonic() - since)
                self._log({name: float(value) for name, value in losses.items()}, speed, shown)
                logged, since = trainer.step, time.monotonic()
            if trainer.step % settings.save_every == 0:
                self.save()
            if self.interrupted is None:
                self._watch(held_out)
            return False

        self._call(self._kept)
        if trainer.run(after_step, lambda: self.interrupted is not None):
            self.interrupted = self.interrupted or Terminated()  # it may be another process that got the signal
            if trainer.fault() is not None:
                self._roll_back()

    def _watch(self, held_out: Batch) -> None:
        """What is measured at some steps; a signal does not wait for it."""
        settings, step = self.config.trainer, self.trainer.step
        self._between_steps = True
        if step and step % settings.save_every == 0:
            self._diagnose(held_out)
        if step and settings.eval_every and step % settings.eval_every == 0 and step < settings.steps:
            self._evaluate()
        self._between_steps = False

    @property
    def _kept(self) -> str:
        """How to go on from the last checkpoint."""
        return f"the last checkpoint is kept: resume={self.folder}{self.config.env.consent}"

    def _roll_back(self) -> None:
        """Go back to the last checkpoint, once; see `nextlat_rl.training.trainer`.

        Raises:
            UserError: it is the second time.
        """
        trainer, fault = self.trainer, self.trainer.fault()
        assert fault is not None
        if trainer.left_out is not None:
            raise UserError(
                f"losses or gradients are not finite at step {fault}, a second time; {self._kept} with a smaller "
                "trainer.learning_rate"
            )
        model, saved = checkpoint.load_model(self.folder, trainer.model.start.device)
        trainer.model.load_state_dict(model.state_dict())
        checkpoint.load_optimizer(self.folder, trainer.optimizer)
        trainer.go_back(saved["step"], fault)
        self.tracker.close()
        self.tracker = Tracker(self.folder, trainer.step + 1)
        self.console.print(
            f"Losses or gradients are not finite at step {fault}: going on from the checkpoint of step "
            f"{trainer.step} with another batch at that step and half the learning rate",
            highlight=False,
        )

    def stop(self, error: KeyboardInterrupt) -> NoReturn:
        """Say what is kept and how to resume, and exit with code 130, or 143 after SIGTERM."""
        self.tracker.close()
        kept = checkpoint.load_config(self.folder)["step"]
        self.console.print(
            f"\nStopped at step {self.trainer.step:,} of {self.trainer.total_steps:,}; the checkpoint of step {kept:,} "
            f"is kept. Resume with:\n  python -m nextlat_rl.train resume={self.folder}{self.config.env.consent}",
            highlight=False,
        )
        raise SystemExit(exit_code(error))

    def _log(self, losses: dict[str, float], speed: float, shown: Bar) -> None:
        step = self.trainer.step
        curves = {f"loss/{name}": value for name, value in losses.items() if name not in ("loss", "grad_norm")}
        curves |= {
            "train/loss": losses["loss"],
            "train/grad_norm": losses["grad_norm"],
            "train/learning_rate": self.trainer.learning_rate(),
            "train/rollbacks": float(self.trainer.left_out is not None),
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
        losses = held_out_losses(model, held_out, self.trainer.objective.config)
        curves = {f"held_out/{name}": value for name, value in losses.items()}
        if self.trainer.step < self.trainer.total_steps:  # the final report has a point of its own
            curves["diagnostics/effective_rank"] = belief_rank(model, held_out)
        for name in set(errors) - {"still"}:
            for i in _ERROR_HORIZONS:
                if i <= len(errors[name]):
                    curves[f"latent_error/{name}_{i:02d}"] = errors[name][i - 1]
        self.tracker.scalars(curves, self.trainer.step)

    def _on_signal(self, number: int, frame: object) -> None:
        """Finish the step at hand, or end what is done between steps; a second signal ends at once.

        But torchrun sends one when a process ends, and it may be there already.
        """
        at_once = self._between_steps or (self.interrupted is not None and not launched())
        self.interrupted = self.interrupted or interruption(number)
        if at_once:
            raise self.interrupted
