"""The latent dynamics as a drafter: no history but a belief, and trained with the trunk already (arXiv 2511.05963)."""

from __future__ import annotations

from torch import Tensor

from nextlat_rl.drafting.drafter import SequentialDrafter
from nextlat_rl.drafting.token import Token, embed_token, from_parts
from nextlat_rl.models.nextlat import NextLat
from nextlat_rl.tracing import Traced


class NextLatDrafter(SequentialDrafter):
    """The grounded latent dynamics, rolled out over its own draws; K may exceed the training horizon."""

    def __init__(self, model: NextLat) -> None:
        super().__init__(model)
        names = list(model.observation)

        def step(feature: Tensor, *parts: Tensor) -> Tensor:
            return model.dynamics(feature, embed_token(model, from_parts(names, parts)))

        self._step = Traced(model, step)

    def next_feature(self, feature: Tensor, token: Token) -> Tensor:
        """Equation 9."""
        return self._step(feature, *token.parts())
