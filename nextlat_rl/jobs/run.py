"""What a job leaves."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
