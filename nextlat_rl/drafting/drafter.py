"""What a drafter does, and the one this project is about: the latent dynamics as a drafter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from nextlat_rl.drafting.token import (
    Token,
    embed_token,
    from_parts,
    sample_token,
    stack,
    token_log_prob,
)
from nextlat_rl.models.nextlat import NextLat
from nextlat_rl.tracing import Traced


@dataclass
class Draft:
    """K guessed steps that follow a known one."""

    token: Token  # [B, K]
    log_q: Tensor  # [B, K] of each token, given those before it
    log_q_at: Callable[[Tensor, Tensor, Token], Tensor]  # (rows [N], positions [N], tokens [N]) -> [N] of other tokens


class Drafter(Protocol):
    """Guesses what the trunk would sample."""

    def draft(self, belief: Tensor, token: Token, uniform: Tensor) -> Draft:
        """Draft K steps.

        Args:
            belief: `[B, D]` true beliefs h_t.
            token: `[B]` the step taken there, already final.
            uniform: `[B, K, token_noise]` in [0, 1).

        """


class NextLatDrafter:
    """The grounded latent dynamics, rolled out over its own draws; K may exceed the training horizon."""

    def __init__(self, model: NextLat) -> None:
        self.model = model
        self._step = Traced(model, self._draft_step)

    def draft(self, belief: Tensor, token: Token, uniform: Tensor) -> Draft:
        """Draft as many steps as there is noise for."""
        tokens, features, log_q = [], [], []
        for k in range(uniform.shape[1]):
            belief, log, *parts = self._step(belief, uniform[:, k], *token.parts())
            token = from_parts(self.model.observation, parts)
            tokens.append(token)
            features.append(belief)
            log_q.append(log)
        feature = torch.stack(features, 1)

        def log_q_at(rows: Tensor, position: Tensor, other: Token) -> Tensor:
            return token_log_prob(self.model, feature[rows, position], other)

        return Draft(stack(tokens), torch.stack(log_q, 1), log_q_at)

    def _draft_step(self, belief: Tensor, uniform: Tensor, *parts: Tensor) -> tuple[Tensor, ...]:
        """The next belief `[B, D]` after a step, the log-probability of the step drawn there, and its parts."""
        belief = self.model.dynamics(belief, embed_token(self.model, from_parts(self.model.observation, parts)))
        token = sample_token(self.model, belief, uniform)
        return belief, token_log_prob(self.model, belief, token), *token.parts()
