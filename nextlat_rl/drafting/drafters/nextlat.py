"""The latent dynamics as a drafter: no history but a belief, and trained with the trunk already (arXiv 2511.05963)."""

import torch
from torch import Tensor

from nextlat_rl.drafting.drafter import SequentialDrafter
from nextlat_rl.drafting.token import Token, from_parts, sample_token
from nextlat_rl.imagination import next_belief
from nextlat_rl.models.answer import Answer, sample_given_code, split_off
from nextlat_rl.models.nextlat import NextLat
from nextlat_rl.tracing import Traced


class NextLatDrafter(SequentialDrafter):
    """The latent dynamics, rolled out over its own draws; K may exceed the training horizon.

    With a code the roll-out takes actions and codes, and what they decode to is drawn at the end, for all steps at
    once. Without one each step is drawn whole before the next belief.
    """

    uses_dynamics = True

    def __init__(self, model: NextLat, net: None = None) -> None:
        super().__init__(model)
        names = list(model.observation)

        def guess(feature: Tensor, uniform: Tensor, *parts: Tensor) -> tuple[Tensor, ...]:
            feature = self.next_feature(feature, from_parts(names, parts))
            return feature, *sample_token(model, feature, uniform).parts()

        def in_code(belief: Tensor, uniform: Tensor, *parts: Tensor) -> tuple[Tensor, ...]:
            return self._in_code(belief, from_parts(names, parts), uniform).parts()

        self._guess, self._roll_out = Traced(model, guess), Traced(model, in_code)

    def next_feature(self, feature: Tensor, token: Token) -> Tensor:
        """Equation 9; in code where the trunk's model has one."""
        answer = Answer(token.code, token.reward, token.end, token.observation)
        return next_belief(self.heads, feature, self.heads.embed_action(token.action), answer)

    def guess(self, feature: Tensor, token: Token, uniform: Tensor) -> tuple[Tensor, Token]:
        """See `SequentialDrafter.guess`; both in one trace, for this is where the time of a draft goes."""
        feature, *parts = self._guess(feature, uniform, *token.parts())
        return feature, from_parts(self.heads.observation, parts)

    def draft(self, belief: Tensor, token: Token, uniform: Tensor) -> Token:
        """See `Drafter.draft`."""
        if self.heads.code is None:
            return super().draft(belief, token, uniform)
        return from_parts(self.heads.observation, self._roll_out(belief, uniform, *token.parts()))

    def _in_code(self, belief: Tensor, token: Token, uniform: Tensor) -> Token:
        model = self.heads
        for_action, rest = split_off(uniform, model.action.num_uniforms)
        for_code, for_rest = split_off(rest, model.num_groups)
        feature = self.next_feature(belief, token)
        actions, afterstates, codes = [], [], []
        for k in range(uniform.shape[1]):
            actions.append(model.action.sample(model.action.head(feature), for_action[:, k]))
            embedded = model.embed_action(actions[-1])
            afterstates.append(model.after(feature, embedded))
            codes.append(model.sample_code(afterstates[-1], for_code[:, k]))
            feature = model.dynamics(feature, model.embed_code_step(embedded, codes[-1], {}))
        columns = (torch.stack(column, 1) for column in (actions, afterstates, codes))
        action, afterstate, code = columns
        return Token(action, *sample_given_code(model, afterstate, code, for_rest)[0])


DRAFTER = NextLatDrafter
