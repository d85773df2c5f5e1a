"""A draft model (arXiv 2211.17192): a small autoregressive copy of the trunk with heads and a cache of its own."""

import torch
from torch import Tensor, nn

from nextlat_rl.drafting.drafter import CachedDrafter
from nextlat_rl.drafting.net import DrafterNet
from nextlat_rl.drafting.token import Token, embed_token
from nextlat_rl.models.config import ModelConfig, TrunkConfig
from nextlat_rl.models.nextlat import NextLat
from nextlat_rl.objectives.config import ObjectiveConfig
from nextlat_rl.objectives.forward import Forward, forward
from nextlat_rl.objectives.next_token import next_token_losses
from nextlat_rl.types import Batch, Spaces


class DraftModelNet(DrafterNet):
    """A model of half the width and a quarter of the layers; it learns from the data as the trunk did.

    The trunk's belief, mapped linearly, stands in place of its first step: a roll-out may begin in mid-episode.
    """

    def __init__(self, spaces: Spaces, trunk: TrunkConfig) -> None:
        super().__init__(spaces, trunk)
        width = trunk.width // 2
        small = ModelConfig(max(1, trunk.layers // 4), trunk.heads, width, trunk.context, dynamics_width=width)
        self.model = NextLat(spaces, small)
        self.begin = nn.Linear(trunk.width, small.width)

    def losses(
        self, model: NextLat, batch: Batch, out: Forward, config: ObjectiveConfig, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """The next-token losses, which the trunk was trained with."""
        own = forward(self.model, batch, self.begin(out.belief))
        losses = next_token_losses(self.model, batch, own, config)
        del losses["value"]
        losses["observation"] = config.observation_weight * losses["observation"]
        return losses


class DraftModelDrafter(CachedDrafter):
    """Reads steps; knows the trunk's beliefs from the roll-out's first one only."""

    net_class = DraftModelNet

    def __init__(self, model: NextLat, net: DraftModelNet) -> None:
        super().__init__(net.model, net.model.trunk)
        self.net = net

    def start(self, belief: Tensor) -> None:
        """The belief at the start is the first thing read."""
        super().start(belief)
        self.reader.extend(self.net.begin(belief)[:, None], self.cache)
        self.read = self.cache.position.clone()

    def embed(self, feature: Tensor, token: Token) -> Tensor:
        """The step alone."""
        return embed_token(self.heads, token)


DRAFTER = DraftModelDrafter
