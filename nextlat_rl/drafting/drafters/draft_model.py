"""A draft model (arXiv 2211.17192): a small autoregressive copy of the trunk with heads and a cache of its own."""

from dataclasses import replace

import torch
from torch import Tensor, nn

from nextlat_rl.drafting.drafter import CachedDrafter
from nextlat_rl.drafting.net import DrafterNet
from nextlat_rl.drafting.token import Token, embed_token
from nextlat_rl.models.nextlat import NextLat
from nextlat_rl.objectives.config import ObjectiveConfig
from nextlat_rl.objectives.forward import Forward, forward
from nextlat_rl.objectives.joint import answer_loss, followed_positions
from nextlat_rl.objectives.next_token import next_token_losses, next_token_weights
from nextlat_rl.types import Batch


class DraftModelNet(DrafterNet):
    """A model of half the width and a quarter of the layers; it learns from the data as the trunk did.

    The trunk's belief, mapped linearly, stands in place of its first step: a roll-out may begin in mid-episode.
    """

    def __init__(self, model: NextLat) -> None:
        super().__init__(model)
        trunk = model.config
        width = trunk.width // 2
        small = replace(trunk, layers=max(1, trunk.layers // 4), width=width, dynamics_width=width)
        self.model = NextLat(model.spaces, small)
        self.begin = nn.Linear(model.belief_size, small.width)

    def losses(
        self, model: NextLat, batch: Batch, out: Forward, config: ObjectiveConfig, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """The next-token losses, which the trunk was trained with; the codes are those of the trunk's encoder."""
        own = forward(self.model, batch, self.begin(out.belief))
        losses = next_token_losses(self.model, batch, own, config)
        if self.model.code is not None:
            at = followed_positions(batch)
            afterstate, code = own.afterstate[at].detach(), out.code[at]
            answer = answer_loss(self.model, batch, self.model.transition(afterstate, code), at)
            losses["joint"] = answer.mean()
            losses["code_prior"] = -self.model.code.log_prob(self.model.code_prior(afterstate, code), code).mean()
        weights = next_token_weights(config)
        return {name: weights[name] * loss for name, loss in losses.items() if name != "value"}


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
        return self.heads.split(embed_token(self.heads, token))[0]


DRAFTER = DraftModelDrafter
