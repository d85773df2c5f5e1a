"""The latent dynamics as a drafter: no history but a belief, and trained with the trunk already (arXiv 2511.05963)."""

from torch import Tensor

from nextlat_rl.drafting.drafter import SequentialDrafter
from nextlat_rl.drafting.token import Token, from_parts, sample_token
from nextlat_rl.imagination import next_belief
from nextlat_rl.models.answer import Answer
from nextlat_rl.models.nextlat import NextLat
from nextlat_rl.tracing import Traced


class NextLatDrafter(SequentialDrafter):
    """The latent dynamics, rolled out over its own draws; K may exceed the training horizon."""

    uses_dynamics = True

    def __init__(self, model: NextLat, net: None = None) -> None:
        super().__init__(model)
        names = list(model.observation)

        def guess(feature: Tensor, uniform: Tensor, *parts: Tensor) -> tuple[Tensor, ...]:
            feature = self.next_feature(feature, from_parts(names, parts))
            return feature, *sample_token(model, feature, uniform).parts()

        self._guess = Traced(model, guess)

    def next_feature(self, feature: Tensor, token: Token) -> Tensor:
        """Equation 9; in code where the trunk's model has one."""
        answer = Answer(token.code, token.reward, token.end, token.observation)
        return next_belief(self.heads, feature, self.heads.embed_action(token.action), answer)

    def guess(self, feature: Tensor, token: Token, uniform: Tensor) -> tuple[Tensor, Token]:
        """See `SequentialDrafter.guess`; both in one trace, for this is where the time of a draft goes."""
        feature, *parts = self._guess(feature, uniform, *token.parts())
        return feature, from_parts(self.heads.observation, parts)


DRAFTER = NextLatDrafter
