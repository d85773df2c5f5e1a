"""What the stages of a job share, and what a job leaves."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from nextlat_rl.data.store import Store
from nextlat_rl.jobs.config import TrainConfig
from nextlat_rl.world_model import WorldModel


@dataclass
class TrainingRun:
    """What a training or improvement job left.

    Attributes:
        folder: the run folder: checkpoints, TensorBoard events, results.json.
        world_model: the trained model.
        rows: the rows of results.json, one for each agent that was scored.
    """

    folder: Path
    world_model: WorldModel
    rows: list[dict[str, Any]]


@dataclass(frozen=True)
class RunContext:
    """One run of the main job, once its data are there.

    Attributes:
        config: all settings.
        env_id: full id of the environment.
        dataset_id: of the training data.
        store: the training data.
        folder: the run folder.
        limit: the environment's time limit in steps, if it has one.
        console: shows the progress.
    """

    config: TrainConfig
    env_id: str
    dataset_id: str
    store: Store
    folder: Path
    limit: int | None
    console: Console
