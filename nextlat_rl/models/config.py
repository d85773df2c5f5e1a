"""Sizes of the networks."""

from dataclasses import dataclass
from typing import ClassVar

from nextlat_rl.errors import UserError
from nextlat_rl.settings import at_least


@dataclass(frozen=True)
class TrunkConfig:
    """Size of a causal transformer.

    Attributes:
        layers: number of blocks.
        heads: attention heads; `width` must be a multiple of twice as many.
        width: D, of the residual stream and so of beliefs.
        context: how many steps back a position can see. 0 takes the length of a training window.

    Raises:
        UserError: a size that is too small, or a width that does not fit the heads.
    """

    section: ClassVar[str] = "model."

    layers: int = 4
    heads: int = 4
    width: int = 128
    context: int = 0

    def __post_init__(self) -> None:
        at_least(self.section, self, 1, "layers", "heads", "width")
        at_least(self.section, self, 0, "context")
        if self.width % (2 * self.heads):
            raise UserError(f"model.width={self.width} must be a multiple of 2 * model.heads={self.heads}")


@dataclass(frozen=True)
class ModelConfig(TrunkConfig):
    """Size of a NextLat model.

    `dynamics_width` is that of the two hidden layers of the latent dynamics.
    """

    dynamics_width: int = 256

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(self.section, self, 1, "dynamics_width")
