"""Builds objectives by name. Importing this module does not import torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nextlat_rl.objectives.config import OBJECTIVES, ObjectiveConfig

if TYPE_CHECKING:
    from nextlat_rl.models.nextlat import NextLat
    from nextlat_rl.objectives.base import Objective


def make_objective(config: ObjectiveConfig) -> Objective:
    """The objective that `config.name` names.

    Raises:
        UserError: there is none of this name.
    """
    objective: Objective = OBJECTIVES.load(config.name)(config)
    return objective


def attach_training_modules(model: NextLat, name: str, horizon: int) -> NextLat:
    """Add the modules that the objective `name` needs in training only, if any, to a new model; returns the model.

    They are created after the rest of the model, so that with one seed all objectives start from the same weights.
    `horizon` is how many tokens beyond the next one `mtp` and `jtp` predict.

    Raises:
        UserError: there is no objective of this name.
    """
    modules = OBJECTIVES.load(name).modules
    if modules is not None:
        model.baseline = modules(model.config, horizon).float()
    return model


def training_modules(model: NextLat) -> dict[str, Any] | None:
    """The arguments `name` and `horizon` of `attach_training_modules`, for checkpoints; None without modules."""
    modules: Any = model.baseline
    return None if modules is None else {"name": modules.objective, "horizon": modules.horizon}
