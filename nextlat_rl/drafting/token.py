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
    Answer,
    end_log_prob,
    num_uniforms,
    observation_log_prob,
    reward_log_prob,
    sample_answer,
)
from nextlat_rl.models.nextlat import NextLat
from nextlat_rl.models.transition import TransitionParams


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


def replace_rows(token: Token, rows: Tensor, new: Token) -> Token:
    """`token: [B]` with `rows: [R]` of it replaced by `new: [R]`."""
    parts = zip(token.parts(), new.parts(), strict=True)
    return from_parts(token.observation, [old.index_copy(0, rows, part) for old, part in parts])


def same_token(a: Token, b: Token) -> Tensor:
    """Whether the steps `[B]` are equal in every part, `[B]` bool."""
    pairs = zip(a.parts(), b.parts(), strict=True)
    return torch.stack([(x == y).reshape(len(x), -1).all(1) for x, y in pairs]).all(0)


def token_num_uniforms(model: NextLat) -> int:
    """How many uniforms `sample_token` takes per element."""
    return model.action.num_uniforms + num_uniforms(model)


def sample_token(model: NextLat, belief: Tensor, uniform: Tensor) -> Token:
    """Draw a step at `belief: [*B, D + N]` with `uniform: [*B, token_num_uniforms]` in [0, 1)."""
    for_action, for_answer = _split(model, uniform)
    action = model.action.sample(model.action.head(belief), for_action)
    return Token(action, *sample_answer(model, _after(model, belief, action), for_answer)[0])


def draw_token(model: NextLat, belief: Tensor, uniform: Tensor) -> tuple[Token, Tensor]:
    """The step of `sample_token` and its log-probability `[*B]`, with the heads read once."""
    for_action, for_answer = _split(model, uniform)
    policy = model.action.head(belief)
    action = model.action.sample(policy, for_action)
    afterstate = _after(model, belief, action)
    answer, transition = sample_answer(model, afterstate, for_answer)
    token = Token(action, *answer)
    return token, model.action.log_prob(policy, action) + _answer_log_prob(model, afterstate, transition, answer)


def draw_tokens_at(model: NextLat, belief: Tensor, at: Tensor, uniform: Tensor) -> tuple[Token, Tensor]:
    """`draw_token` N times at few places, `belief: [R, D + N]` with `at: [N]` into R; places are read once."""
    for_action, for_answer = _split(model, uniform)
    policy = model.action.head(belief)[at]
    action = model.action.sample(policy, for_action)
    afterstate = _after_at(model, belief, at, action)
    answer, transition = sample_answer(model, afterstate, for_answer)
    token = Token(action, *answer)
    return token, model.action.log_prob(policy, action) + _answer_log_prob(model, afterstate, transition, answer)


def token_log_prob(model: NextLat, belief: Tensor, token: Token) -> Tensor:
    """Log-probability of a step at `belief: [*B, D + N]`, `[*B]`; a density where a part is continuous."""
    return _log_prob(model, model.action.head(belief), _after(model, belief, token.action), token)


def token_log_prob_at(model: NextLat, belief: Tensor, at: Tensor, token: Token) -> Tensor:
    """`token_log_prob` of N steps `[N]` at few places, `belief: [R, D + N]` with `at: [N]` into R."""
    return _log_prob(model, model.action.head(belief)[at], _after_at(model, belief, at, token.action), token)


def _split(model: NextLat, uniform: Tensor) -> tuple[Tensor, ...]:
    """The uniforms of the action and of the answer."""
    return uniform.split((model.action.num_uniforms, num_uniforms(model)), dim=-1)


def _after(model: NextLat, belief: Tensor, action: Tensor) -> Tensor:
    return model.after(belief, model.embed_action(action))


def _after_at(model: NextLat, belief: Tensor, at: Tensor, action: Tensor) -> Tensor:
    """Afterstates `[N, D + N]`, worked out once for each pair of a place and an action."""
    pairs = torch.cat((at[:, None].double(), action.reshape(len(at), -1).double()), 1)
    places, index = pairs.unique(dim=0, return_inverse=True)
    one = at.new_zeros(len(places)).scatter_(0, index, torch.arange(len(at), device=at.device))  # of each pair
    return _after(model, belief[at[one]], action[one])[index]


def _log_prob(model: NextLat, policy: Tensor, afterstate: Tensor, token: Token) -> Tensor:
    """Log-probability from the policy's parameters and the afterstate of the token's action."""
    transition = model.transition(afterstate, token.code)
    answer = Answer(token.code, token.reward, token.end, token.observation)
    return model.action.log_prob(policy, token.action) + _answer_log_prob(model, afterstate, transition, answer)


def _answer_log_prob(model: NextLat, afterstate: Tensor, transition: TransitionParams, answer: Answer) -> Tensor:
    """Log-probability `[*B]` of an answer at g_t, from the parameters that its code gives."""
    log_prob = reward_log_prob(model, transition, answer.reward, answer.end) + end_log_prob(transition, answer.end)
    log_prob = log_prob + observation_log_prob(model, transition, answer.observation)
    if model.code is None:
        return log_prob
    return log_prob + model.code.log_prob(model.code_prior(afterstate, answer.code), answer.code)


def embed_token(model: NextLat, token: Token) -> Tensor:
    """emb(x_{t+1}) of a step, `[*B, D]`."""
    not_first = torch.zeros_like(token.end)
    return model.embed_step(model.embed_action(token.action), token.reward, token.observation, not_first)
