"""LayerSkip's drafting (arXiv 2404.16710): leave the trunk early, on the keys and values that it has anyway.

LayerSkip also trains the trunk for this, with dropped layers and losses at every exit. Here all drafters share one
trunk (`objective.layer_dropout` trains it with dropped layers), and only one exit is trained, afterwards: a norm and a
linear layer.
"""

from copy import copy

import torch
from torch import Tensor, nn

from nextlat_rl.drafting.drafter import SequentialDrafter
from nextlat_rl.drafting.net import FeatureNet
from nextlat_rl.drafting.token import Token, embed_token
from nextlat_rl.memory import Memory
from nextlat_rl.models.nextlat import NextLat
from nextlat_rl.objectives.forward import Forward
from nextlat_rl.types import Batch, BatchIndex


class LayerSkipNet(FeatureNet):
    """The exit after a quarter of the layers."""

    def __init__(self, model: NextLat) -> None:
        super().__init__(model)
        trunk = model.config
        self.layers = max(1, trunk.layers // 4)
        self.exit = nn.Sequential(nn.LayerNorm(trunk.width), nn.Linear(trunk.width, trunk.width))

    def predict(
        self, model: NextLat, batch: Batch, out: Forward, generator: torch.Generator
    ) -> tuple[BatchIndex, Tensor]:
        """Every position."""
        with torch.no_grad():
            early = model.trunk(model.split(out.step_embedding)[0], batch.segment, self.layers)
        row, column = batch.valid.nonzero(as_tuple=True)
        hidden = self.exit(early[row, column])
        return (row, column), torch.cat((hidden, model.split(out.belief[row, column])[1]), -1)


class LayerSkipDrafter(SequentialDrafter):
    """Writes ahead into the first layers of the trunk's cache; verification overwrites it."""

    net_class = LayerSkipNet

    def __init__(self, model: NextLat, net: LayerSkipNet) -> None:
        super().__init__(model)
        self.net = net

    def begin(self, memory: Memory) -> None:
        """Look at the trunk's cache."""
        assert memory.cache is not None
        self.trunk_cache = memory.cache

    def prepare(self, belief: Tensor) -> None:
        """Draft on a copy of the positions, but on the trunk's own entries."""
        self.cache = copy(self.trunk_cache)
        self.cache.slot_position = self.trunk_cache.slot_position.clone()
        self.cache.position = self.trunk_cache.position.clone()

    def next_feature(self, feature: Tensor, token: Token) -> Tensor:
        """A pass through the first layers and out."""
        x = self.heads.split(embed_token(self.heads, token))[0][:, None]
        hidden = self.net.exit(self.heads.trunk.extend(x, self.cache, self.net.layers)[:, 0])
        return self.heads.with_numbers(hidden, token.observation)


DRAFTER = LayerSkipDrafter
