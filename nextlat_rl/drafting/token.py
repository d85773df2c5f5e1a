"""A whole environment step as one token: what was done, and what came of it.

The model's distribution of it is `p(a | h) p(z | g) p(end | g, z) p(r | g, z, end) p(o | g, z)` with the afterstate
g = After(h, a) and the code z of the answer. The code belongs to the token: its log-probability is then exact, where
that of the observation alone would be a sum over all codes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nextlat_rl.models.answer import (
    end_log_prob,
    num_uniforms,
    observation_log_prob,
    reward_log_prob,
    sample_answer,
    split_off,
)
from nextlat_rl.models.nextlat import NextLat


@dataclass
class Token:
    """(a_t, z_t, r_t, end_t, o_{t+1}); the tensors share their batch dimensions `[*B]`."""

    action: Tensor  # [*B, *action] in stored form
    code: Tensor  # [*B, G]
    reward: Tensor  # [*B]
    end: Tensor  # [*B] bool
    observation: dict[str, Tensor]  # leaf -> [*B, *leaf] in stored form

    def parts(self) -> tuple[Tensor, ...]:
        """The tensors in a fixed order, as `from_parts` takes them."""
        return (self.action, self.code, self.reward, self.end, *self.observation.values())

    def read(self) -> tuple[Tensor, ...]:
        """The tensors that the trunk reads: all but the code."""
        return (self.action, self.reward, self.end, *self.observation.values())

    def map(self, function: Callable[[Tensor], Tensor]) -> Token:
        """The same function applied to every tensor."""
        return from_parts(self.observation, [function(part) for part in self.parts()])


def from_parts(names: Iterable[str], parts: Sequence[Tensor]) -> Token:
    """Inverse of `Token.parts`; `names` of the observation's leaves."""
    action, code, reward, end, *leaves = parts
    return Token(action, code, reward, end, dict(zip(names, leaves, strict=True)))


def stack(tokens: Sequence[Token]) -> Token:
    """K tokens `[B]` to one of `[B, K]`."""
    columns = [torch.stack(parts, 1) for parts in zip(*(token.parts() for token in tokens), strict=True)]
    return from_parts(tokens[0].observation, columns)


def join(first: Token, rest: Token) -> Token:
    """`[B, J]` and `[B, K]` to `[B, J + K]`."""
    columns = [torch.cat(parts, 1) for parts in zip(first.parts(), rest.parts(), strict=True)]
    return from_parts(first.observation, columns)


def same_token(a: Token, b: Token) -> Tensor:
    """Whether the steps `[*B]` are equal in all that the trunk reads, `[*B]` bool."""
    shape = a.end.shape
    return torch.stack([(x == y).view(*shape, -1).all(-1) for x, y in zip(a.read(), b.read(), strict=True)]).all(0)


def until_all_ended(token: Token) -> Token:
    """Steps `[B, K]` without those after an end in every row: reading them costs and they are never used."""
    ended = token.end.long().cumsum(1).gt(0).all(0)
    steps = int((~ended).sum()) + 1
    return token.map(lambda x: x[:, :steps])


def token_num_uniforms(model: NextLat) -> int:
    """How many uniforms `sample_token` takes per element."""
    return model.action.num_uniforms + num_uniforms(model)


def sample_token(model: NextLat, belief: Tensor, uniform: Tensor) -> Token:
    """Draw a step at `belief: [*B, D + N]` with `uniform: [*B, token_num_uniforms]` in [0, 1)."""
    for_action, for_answer = split_off(uniform, model.action.num_uniforms)
    action = model.action.sample(model.action.head(belief), for_action)
    return Token(action, *sample_answer(model, _after(model, belief, action), for_answer)[0])


def token_log_prob(model: NextLat, belief: Tensor, token: Token) -> Tensor:
    """Log-probability of a step at `belief: [*B, D + N]`, `[*B]`; a density where a part is continuous."""
    policy, afterstate = model.action.head(belief), _after(model, belief, token.action)
    transition = model.transition(afterstate, token.code)
    log_prob = model.action.log_prob(policy, token.action)
    log_prob = log_prob + reward_log_prob(model, transition, token.reward, token.end)
    log_prob = log_prob + end_log_prob(transition, token.end)
    log_prob = log_prob + observation_log_prob(model, transition, token.observation)
    if model.code is None:
        return log_prob
    return log_prob + model.code.log_prob(model.code_prior(afterstate, token.code), token.code)


def _after(model: NextLat, belief: Tensor, action: Tensor) -> Tensor:
    return model.after(belief, model.embed_action(action))


def embed_token(model: NextLat, token: Token) -> Tensor:
    """emb(x_{t+1}) of a step, `[*B, D]`."""
    not_first = torch.zeros_like(token.end)
    return model.embed_step(model.embed_action(token.action), token.reward, token.observation, not_first)
