"""The weights of drafters that need training; the trunk's own stay as they are."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from nextlat_rl.models.nextlat import NextLat
from nextlat_rl.objectives.config import ObjectiveConfig
from nextlat_rl.objectives.forward import Forward
from nextlat_rl.objectives.latent import rollout_losses, targets
from nextlat_rl.types import Batch, BatchIndex


class DrafterNet(nn.Module, ABC):
    """The weights of a drafter, of a size that fits the trunk."""

    def __init__(self, model: NextLat) -> None:
        super().__init__()

    @abstractmethod
    def losses(
        self, model: NextLat, batch: Batch, out: Forward, config: ObjectiveConfig, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Scalars whose sum is minimised; `out` is the trunk's pass over the batch, without gradients."""


class FeatureNet(DrafterNet):
    """Learns the trunk's beliefs and what its heads say of them: the latent losses of NextLat (eqs. 3-5)."""

    @abstractmethod
    def predict(
        self, model: NextLat, batch: Batch, out: Forward, generator: torch.Generator
    ) -> tuple[BatchIndex, Tensor]:
        """Where beliefs are guessed, and the guesses `[R, D + N]`."""

    def losses(
        self, model: NextLat, batch: Batch, out: Forward, config: ObjectiveConfig, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Smooth-L1 on all guesses, KL on a random subset of them as in the latent losses."""
        at, feature = self.predict(model, batch, out, generator)
        true = targets(batch, out).at(at)
        found = rollout_losses(model, feature[None], true, config.min_rollouts, config, generator)
        return {"latent": config.latent_weight * found["latent"], "kl": config.kl_weight * found["kl"]}


def rolled_places(batch: Batch, starts: BatchIndex, length: int) -> tuple[BatchIndex, Tensor]:
    """The `length` places that follow each of `starts: [S]`, row by row `[S * length]`, and whether they are inside.

    Places outside the start's episode or the window are clamped to the window; the mask `[S, length]` says which.
    """
    row, column = starts
    last = batch.has_next.shape[1] - 1
    columns = column[:, None] + torch.arange(1, length + 1, device=column.device)
    inside = ((columns <= last) & batch.has_next[row[:, None], (columns - 1).clamp_max(last)]).cumprod(1).bool()
    return (row[:, None].expand_as(columns).flatten(), columns.clamp_max(last).flatten()), inside
