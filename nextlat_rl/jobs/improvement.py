"""The improvement stage: beliefs of the data, improvement of the heads, curves and a checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import OmegaConf
from rich.console import Console

from nextlat_rl.agents.improvement.imagination import ImaginationImprover
from nextlat_rl.agents.improvement.reanalyse import ReanalyseImprover
from nextlat_rl.agents.improvement.starts import real_beliefs
from nextlat_rl.config import ImproveSettings, PlannerSettings
from nextlat_rl.console import bar
from nextlat_rl.data.batches import Batcher
from nextlat_rl.data.store import Store
from nextlat_rl.jobs.setup import MAX_WINDOW
from nextlat_rl.training import checkpoint
from nextlat_rl.training.tracking import Tracker
from nextlat_rl.world_model import WorldModel

_LOG_EVERY = 10
_WINDOWS = 32


def improve_policy(
    world_model: WorldModel,
    store: Store,
    settings: ImproveSettings,
    planner: PlannerSettings,
    seed: int,
    folder: Path,
    saved: dict[str, Any],
    console: Console,
) -> None:
    """Improve the policy of `world_model` in place, and keep it as a checkpoint in `folder`.

    Args:
        world_model: its policy and value heads are changed.
        store: whose beliefs to start from.
        settings: how.
        planner: of `reanalyse`.
        seed: of starts and noise.
        folder: gets the curves and the checkpoint.
        saved: the checkpoint's config so far.
        console: shows the progress.

    """
    length = min(int(np.diff(store.episode_start).max()), MAX_WINDOW)
    batches = Batcher(store, _WINDOWS, length, seed)
    with bar(console, "Reading the data", settings.beliefs, "beliefs") as shown:
        beliefs = real_beliefs(world_model.model, batches, settings.beliefs, shown.update)
    improver: ImaginationImprover | ReanalyseImprover
    if settings.name == "imagination":
        improver = ImaginationImprover(world_model, beliefs, settings, seed)
    else:
        improver = ReanalyseImprover(world_model, beliefs, settings, planner, seed)
    tracker = Tracker(folder)
    with bar(console, f"Improving by {settings.name}", settings.steps, "steps") as shown:
        while improver.step < settings.steps:
            watched = improver.improve_step()
            if improver.step % _LOG_EVERY == 0 or improver.step == settings.steps:
                curves = {name: float(value) for name, value in watched.items()}
                tracker.scalars({f"improve/{name}": value for name, value in curves.items()}, improver.step)
                note = f"value {curves['value']:.3f}  divergence {curves['divergence']:.3f}"
                shown.update(improver.step, note)
    tracker.close()
    how = {"improve": OmegaConf.to_container(OmegaConf.structured(settings))}
    kept = {key: saved[key] for key in ("env_id", "discount", "dataset_id", "train_config")}
    checkpoint.save(folder / "checkpoints", saved["step"], world_model.model, None, kept | how)


def improved_folder(run: Path, name: str) -> Path:
    """A new folder for an improved policy inside the run that it came from."""
    folder, number = run / f"improved-{name}", 1
    while folder.exists():
        number += 1
        folder = run / f"improved-{name}-{number}"
    return folder
