"""The main job: data, training, evaluation, and everything a run leaves behind."""

from __future__ import annotations

import json
import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import Tensor

from nextlat_rl.config import TrainConfig
from nextlat_rl.console import Bar, bar, make_console
from nextlat_rl.data.batches import held_out_batch, split
from nextlat_rl.data.space_check import check_spaces
from nextlat_rl.data.store import Store
from nextlat_rl.envs import make_env, resolve_env_id, time_limit
from nextlat_rl.envs.paper.diagnostics import log_task
from nextlat_rl.errors import UserError
from nextlat_rl.jobs.collection import ensure_dataset, gather
from nextlat_rl.jobs.report import final_report, improved_report
from nextlat_rl.jobs.setup import HELD_OUT, build_model, make_trainer, merge_resumed, open_store, window_length
from nextlat_rl.memory import Acting
from nextlat_rl.metrics.beliefs import belief_rank, held_out_losses, latent_error_by_horizon
from nextlat_rl.results import git_revision, write_json
from nextlat_rl.runtime import pick_device, set_threads
from nextlat_rl.settings_check import check_train
from nextlat_rl.training import checkpoint
from nextlat_rl.training.tracking import Tracker, new_run_folder
from nextlat_rl.training.trainer import Trainer
from nextlat_rl.types import Batch

_DIAGNOSTIC_EPISODES = 64
_PROBE_EPISODES = 256


def train(config: TrainConfig, typed: list[str]) -> list[dict[str, Any]]:
    """`python -m nextlat_rl.train`; the rows of `results.json`.

    Args:
        config: all settings.
        typed: the options given on the command line, which with `resume` change the run's own settings.

    """
    started = time.monotonic()
    config = merge_resumed(config, typed)
    check_train(config)
    console = make_console(config.json)
    set_threads(config.trainer.threads)
    device = pick_device(config.device)
    env_id = resolve_env_id(config.env.id)
    try:
        rows = _train(config, env_id, device, console, started)
        for number in range(2, config.rounds + 1):
            config = next_round(config, env_id, number, rows, console)
            rows += [row | {"round": number} for row in _train(config, env_id, device, console, started)]
    except KeyboardInterrupt:
        console.print("\nInterrupted while gathering data: nothing was kept; run the same command again.")
        raise SystemExit(130) from None
    if config.json:
        print(json.dumps(rows, indent=1))
    return rows


def next_round(
    config: TrainConfig, env_id: str, number: int, rows: list[dict[str, Any]], console: Console
) -> TrainConfig:
    """Let the agent of the last round gather a data set; the settings that train on everything gathered so far."""
    last = rows[-1].get("round")
    policies = [row for row in rows if row.get("round") == last and "run" in row]
    source = policies[-1]  # the improved policy where there is one
    run = Path(policies[0]["run"])
    behaviour = f"agent:{source['run']}"
    console.print(f"\nRound {number} of {config.rounds}: gathering with {source['run']}", highlight=False)
    # Each round on seeds of its own, far from the first data set's.
    collect = replace(
        config.collect,
        behaviour=behaviour,
        steps=config.round_steps,
        episodes=None,
        seed=config.collect.seed + 500_000 + 50_000 * number,
    )
    dataset_id = f"nextlat_rl/{env_id}/round-{number}-{re.sub('[^A-Za-z0-9]+', '-', run.name)}-v0"
    gather(dataset_id, env_id, collect, {}, console)
    return replace(config, data=f"{policies[0]['data']}+{dataset_id}")


def _train(
    config: TrainConfig, env_id: str, device: torch.device, console: Console, started: float
) -> list[dict[str, Any]]:
    env = make_env(env_id)
    limit = time_limit(env)
    dataset_id, datasets = ensure_dataset(config.data, env_id, config.collect, config.env.sb3, console)
    check_spaces(datasets[0].observation_space, datasets[0].action_space, env.observation_space, env.action_space)
    env.close()
    store = open_store(datasets, console)
    length = window_length(config, store)
    training, held_out = split(store, HELD_OUT, config.seed)
    if config.resume:
        model, _ = checkpoint.load_model(config.resume, device)
    else:
        torch.manual_seed(config.seed)
        model = build_model(config, store, length).to(device)
    trainer = make_trainer(config, store, model, training, length)
    if config.resume:
        run = checkpoint.run_folder(config.resume)
        checkpoint.load_optimizer(config.resume, trainer.optimizer)
        trainer.step = checkpoint.load_config(config.resume)["step"]
    else:
        run = new_run_folder(config.runs, env_id, config.name)
    job = Job(config, env_id, dataset_id, run, trainer, console)
    job.begin(store)
    sample = held_out[:_DIAGNOSTIC_EPISODES]
    job.fit(held_out_batch(store, sample, length).to(device))
    if job.interrupted:
        job.say_how_to_resume()
        raise SystemExit(130)
    try:
        batch = held_out_batch(store, sample).to(device)
        rows = final_report(config, env_id, dataset_id, run, model, store, batch, job.tracker, console, limit)
        ways: list[Acting] = ["trunk", "recurrent"] if config.objective.name == "nextlat" else ["trunk"]
        fitted = held_out_batch(store, training[:_PROBE_EPISODES]).to(device)
        log_task(env_id, model, ways, fitted, batch, job.tracker, trainer.step, console)
        if config.improve.name != "none":
            rows += improved_report(config, env_id, dataset_id, run, model, store, console, limit)
    except KeyboardInterrupt:
        job.say_how_to_resume()
        raise SystemExit(130) from None
    for row in rows:
        row |= {"train_steps": trainer.step, "total_wall_seconds": time.monotonic() - started}
    write_json(run / "results.json", rows)
    job.tracker.close()
    minutes = (time.monotonic() - started) / 60
    console.print(f"\nDone in {minutes:.1f} min. Everything lies in {run}", highlight=False)
    console.print(f"  look:      tensorboard --logdir {config.runs}", highlight=False)
    acting = " acting=recurrent" if config.objective.name == "nextlat" else ""
    console.print(f"  evaluate:  python -m nextlat_rl.evaluate checkpoint={run}{acting}", highlight=False)
    more = 2 * config.trainer.steps
    console.print(f"  go on:     python -m nextlat_rl.train resume={run} trainer.steps={more}", highlight=False)
    return rows


class Job:
    """The training loop around a `Trainer`: progress, curves, checkpoints, Ctrl-C."""

    def __init__(
        self, config: TrainConfig, env_id: str, dataset_id: str, run: Path, trainer: Trainer, console: Console
    ) -> None:
        self.config, self.env_id, self.dataset_id = config, env_id, dataset_id
        self.run, self.trainer, self.console = run, trainer, console
        self.tracker = Tracker(run)
        self.interrupted = False

    def begin(self, store: Store) -> None:
        """Say what is trained on what, and keep the settings."""
        from omegaconf import OmegaConf

        parameters = sum(p.numel() for p in self.trainer.model.parameters())
        settings = OmegaConf.to_yaml(OmegaConf.structured(self.config))
        (self.run / "config.yaml").write_text(settings)
        self.tracker.text("config", f"```yaml\n{settings}```")
        self.tracker.text("git_revision", git_revision())
        self.tracker.text("data", f"{self.dataset_id}\n\n```json\n{json.dumps(store.summary, indent=1)}\n```")
        self.console.print(
            f"Training {self.config.objective.name} on {store.num_transitions:,} steps of {store.num_episodes:,} "
            f"episodes (mean return {store.summary['return_mean']:.3f}); {parameters:,} weights on "
            f"{self.trainer.model.start.device}, run folder {self.run}",
            highlight=False,
        )
        self.save()

    def save(self) -> None:
        """Write a checkpoint."""
        extra = {
            "env_id": self.env_id,
            "discount": self.config.objective.discount,
            "dataset_id": self.dataset_id,
            "train_config": asdict(self.config),
        }
        trainer = self.trainer
        checkpoint.save(self.run / "checkpoints", trainer.step, trainer.model, trainer.optimizer, extra)

    def fit(self, held_out: Batch) -> None:
        """Train to the last step or to Ctrl-C; either way there is a checkpoint of the last step done."""
        settings, trainer = self.config.trainer, self.trainer
        with bar(self.console, "Training", trainer.total_steps, "steps") as shown, self._stop_on_signal():
            logged, since = trainer.step, time.monotonic()

            def after_step(losses: dict[str, Tensor]) -> bool:
                nonlocal logged, since
                if trainer.step % settings.log_every == 0 or trainer.step == trainer.total_steps:
                    speed = (trainer.step - logged) / (time.monotonic() - since)
                    self._log({k: float(v) for k, v in losses.items()}, speed, shown)
                    logged, since = trainer.step, time.monotonic()
                if trainer.step % settings.save_every == 0:
                    self.save()
                    self._diagnose(held_out)
                return self.interrupted

            trainer.run(after_step)
            self.save()

    def _log(self, losses: dict[str, float], speed: float, shown: Bar) -> None:
        step = self.trainer.step
        if not all(abs(value) < float("inf") for value in losses.values()):
            raise UserError(
                f"the loss is no longer finite at step {step}; resume={self.run} with a smaller trainer.learning_rate"
            )
        curves = {f"loss/{name}": value for name, value in losses.items() if name not in ("loss", "grad_norm")}
        curves |= {
            "train/loss": losses["loss"],
            "train/grad_norm": losses["grad_norm"],
            "train/learning_rate": self.trainer.learning_rate(),
            "time/steps_per_second": speed,
        }
        self.tracker.scalars(curves, step)
        parts = [f"{name} {losses[name]:.4f}" for name in ("policy", "latent", "latent_finetune") if name in losses]
        shown.update(step, "  ".join([f"loss {losses['loss']:.3f}", *parts]))

    def _diagnose(self, held_out: Batch) -> None:
        model = self.trainer.model.eval()
        errors = latent_error_by_horizon(model, held_out, 16)
        curves = {"diagnostics/effective_rank": belief_rank(model, held_out)}
        losses = held_out_losses(model, held_out, self.trainer.objective.config)
        curves |= {f"held_out/{name}": value for name, value in losses.items()}
        for name in ("grounded", "open_loop"):
            for i in (1, 2, 4, 8, 16):
                if i <= len(errors[name]):
                    curves[f"latent_error/{name}_{i:02d}"] = errors[name][i - 1]
        self.tracker.scalars(curves, self.trainer.step)

    def say_how_to_resume(self) -> None:
        """After an interrupt."""
        self.tracker.close()
        self.console.print(
            f"\nStopped at step {self.trainer.step:,} of {self.trainer.total_steps:,}; the checkpoint is kept. Resume "
            f"with:\n  python -m nextlat_rl.train resume={self.run}",
            highlight=False,
        )

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
