"""What an option needs of a trained model: the value head, or the latent dynamics."""

from nextlat_rl.errors import UserError
from nextlat_rl.objectives.config import ObjectiveConfig, check_dynamics

_WITHOUT = {"planner": "none", "acting": "trunk", "improve": "none", "speculate": "off"}


def check_trained(objective: ObjectiveConfig, **options: str) -> None:
    """Require that what the options use is trained by `objective`.

    Args:
        objective: what the model is, or was, trained on.
        options: values of `planner`, `acting`, `improve` and `speculate`, as far as a command has them.

    Raises:
        UserError: a planner without a trained value, or an option that needs latent dynamics left untrained.
    """
    planner = options.get("planner", "none")
    if planner != "none" and objective.value_weight == 0:
        raise UserError(
            f"planner={planner} needs a value, and objective.value_weight=0 leaves it untrained: train with "
            "objective.value_weight=0.5, or use planner=none"
        )
    for option, value in options.items():
        if value != _WITHOUT[option]:
            check_dynamics(objective.name, f"{option}={value}", f", or use {option}={_WITHOUT[option]}")
