"""Sizes of the networks."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from nextlat_rl.errors import UserError
from nextlat_rl.settings import at_least, literals

_LONGEST = 2**16  # steps; a memory is kept of as many


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
        if self.context > _LONGEST:
            raise UserError(f"model.context={self.context} must be at most {_LONGEST}")
        if self.width % (2 * self.heads):
            raise UserError(f"model.width={self.width} must be a multiple of 2 * model.heads={self.heads}")


@dataclass(frozen=True)
class ModelConfig(TrunkConfig):
    """Size of a NextLat model.

    Attributes:
        dynamics_width: of the two hidden layers of the latent dynamics.
        answer: how the parts of the world's answer belong together: `joint` by a discrete code, `product` not at all.
            `auto` is `product` where the observation is a single category, as in the token tasks, else `joint`.
        code_groups: G, categories that a code consists of.
        code_classes: C, classes of each.
        code_width: of the hidden layers of the code's prior, encoder and decoder.

    Raises:
        UserError: a size that is too small, or a width that does not fit the heads.
    """

    dynamics_width: int = 256
    answer: Literal["auto", "joint", "product"] = "auto"
    code_groups: int = 8
    code_classes: int = 32
    code_width: int = 256

    def __post_init__(self) -> None:
        super().__post_init__()
        literals(self.section, self)
        at_least(self.section, self, 1, "dynamics_width", "code_groups", "code_width")
        at_least(self.section, self, 2, "code_classes")
