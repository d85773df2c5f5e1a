"""Objectives by name. Loading this module does not load torch."""

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
    """Give a new model the modules that the objective `name` needs in training only; the model itself.

    They are created after the rest of the model, so that with one seed all objectives start from the same trunk and
    heads.

    Args:
        model: just built.
        name: of the objective; one that needs no modules leaves the model as it is.
        horizon: how many tokens beyond the next one `mtp` and `jtp` predict.

    Raises:
        UserError: there is no objective of this name.
    """
    modules = OBJECTIVES.load(name).modules
    if modules is not None:
        model.baseline = modules(model.config, horizon)
    return model


def training_modules(model: NextLat) -> dict[str, Any] | None:
    """What `attach_training_modules` was given, to write into a checkpoint; None if nothing was attached."""
    modules: Any = model.baseline
    return None if modules is None else {"name": modules.objective, "horizon": modules.horizon}
