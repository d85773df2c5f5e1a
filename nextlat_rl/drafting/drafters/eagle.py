"""EAGLE (arXiv 2401.15077): one decoder layer over (belief, next step) pairs predicts the next belief; a chain."""

import torch
from torch import Tensor, nn

from nextlat_rl.drafting.drafter import CachedDrafter
from nextlat_rl.drafting.net import FeatureNet
from nextlat_rl.drafting.token import Token, embed_token
from nextlat_rl.models.config import TrunkConfig
from nextlat_rl.models.nextlat import NextLat
from nextlat_rl.models.transformer import Transformer
from nextlat_rl.objectives.forward import Forward
from nextlat_rl.types import Batch, BatchIndex

_NOISE = 0.1  # half-width of the uniform noise on features that EAGLE trains with, against its own errors


class EagleNet(FeatureNet):
    """A layer like one of the trunk's, on a linear map of (h_t, emb(x_{t+1}))."""

    def __init__(self, model: NextLat) -> None:
        super().__init__(model)
        trunk = model.config
        self.join = nn.Linear(2 * model.belief_size, trunk.width)
        self.layer = Transformer(TrunkConfig(1, trunk.heads, trunk.width, trunk.context))

    def embed(self, feature: Tensor, step_embedding: Tensor) -> Tensor:
        """`[*B, D + N]` twice to `[*B, D]`."""
        return self.join(torch.cat((feature, step_embedding), -1))

    def predict(
        self, model: NextLat, batch: Batch, out: Forward, generator: torch.Generator
    ) -> tuple[BatchIndex, Tensor]:
        """Every position that has a successor."""
        noise = torch.rand(out.belief.shape, generator=generator, dtype=torch.float32).to(out.belief) * 2 - 1
        pairs = self.embed((out.belief + _NOISE * noise)[:, :-1], out.step_embedding[:, 1:])
        row, column = batch.has_next[:, :-1].nonzero(as_tuple=True)
        hidden = self.layer(pairs, batch.segment[:, :-1])[row, column]
        return (row, column + 1), torch.cat((hidden, model.split(out.belief[row, column + 1])[1]), -1)


class EagleDrafter(CachedDrafter):
    """Reads pairs; where a draft was verified, pairs with true beliefs."""

    net_class = EagleNet

    def __init__(self, model: NextLat, net: EagleNet) -> None:
        super().__init__(model, net.layer)
        self.net = net

    def embed(self, feature: Tensor, token: Token) -> Tensor:
        """The pair of a feature and the step taken there."""
        return self.net.embed(feature, embed_token(self.heads, token))


DRAFTER = EagleDrafter
