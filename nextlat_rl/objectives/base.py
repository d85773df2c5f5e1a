"""The interface of an objective."""

from typing import ClassVar

import torch
from torch import Tensor, nn

from nextlat_rl.errors import UserError
from nextlat_rl.models.config import TrunkConfig
from nextlat_rl.models.nextlat import NextLat
from nextlat_rl.models.transformer import dropped_layers
from nextlat_rl.objectives.config import ObjectiveConfig
from nextlat_rl.objectives.forward import Forward, forward
from nextlat_rl.objectives.joint import joint_losses
from nextlat_rl.objectives.latent import random_positions
from nextlat_rl.objectives.next_token import next_token_losses, next_token_weights
from nextlat_rl.types import Batch


class TrainingModules(nn.Module):
    """Modules that an objective needs in training only; acting uses the trunk and the heads alone."""

    objective: ClassVar[str]

    def __init__(self, trunk: TrunkConfig, horizon: int) -> None:
        super().__init__()
        self.horizon = horizon


class Objective:
    """The next-token losses, and what an objective adds to them.

    Attributes:
        name: of the objective, and of its module in this package.
        trains_dynamics: whether the latent dynamics is trained. Where it is not, nothing can be imagined.
        modules: the modules that only training needs, if any.
        added_weights: weights of the added losses, where they are constants.
        config: the settings.
    """

    name: ClassVar[str]
    trains_dynamics: ClassVar[bool] = False
    modules: ClassVar[type[TrainingModules] | None] = None
    added_weights: ClassVar[dict[str, float]] = {}

    def __init__(self, config: ObjectiveConfig) -> None:
        self.config = config

    def losses(self, model: NextLat, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        """Every loss on a batch, as unweighted scalars.

        Raises:
            UserError: the model was built for another objective and lacks this one's modules.
        """
        if self.modules is not None and not isinstance(model.baseline, self.modules):
            raise UserError(f"the model was not built for objective.name={self.name}: train anew, without resume=")
        rate = self.config.layer_dropout
        dropped = dropped_layers(len(model.trunk.blocks), rate, generator) if rate else ()
        out = forward(model, batch, dropped=dropped, generator=generator)
        losses = next_token_losses(model, batch, out, self.config)
        if model.code is not None:
            count = round(self.config.code_share * batch.has_next.numel())
            at = random_positions(batch.has_next, count, generator)
            losses |= joint_losses(model, batch, out, self.config, at)
        return losses | self.added_losses(model, batch, out, generator)

    def added_losses(self, model: NextLat, batch: Batch, out: Forward, generator: torch.Generator) -> dict[str, Tensor]:
        """The losses beside the next-token losses, as unweighted scalars; `out` is the trunk's pass over the batch."""
        return {}

    def weights(self, progress: float = 1.0) -> dict[str, float]:
        """The weight of each loss once a fraction `progress` of the training steps is done."""
        return next_token_weights(self.config) | self.added_weights


def weighted_sum(losses: dict[str, Tensor], weights: dict[str, float]) -> Tensor:
    """The scalar that is minimised."""
    return torch.stack([weights[name] * loss for name, loss in losses.items()]).sum()
