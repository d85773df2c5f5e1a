"""The verify step: what the trunk accepts of a draft, and what it puts in place of the first token it does not.

A draft token x ~ q is kept if u q(x) < p(x); the first one refused is replaced by a draw from max(p - q, 0),
normalised. What comes out is distributed as p, whatever q is (Leviathan et al. 2023, arXiv 2211.17192, appendix A.1).
A token here is a whole step with all its parts, accepted or refused as one: the chance of that is 1 - TV(p, q) of the
whole step, which no scheme that goes part by part can beat.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from nextlat_rl.drafting.token import Token, draw_tokens_at, replace_rows, token_num_uniforms
from nextlat_rl.models.nextlat import NextLat

Noise = Callable[[Tensor, int, int], Tensor]
"""(rows `[R]`, try, count) -> uniforms `[R, count]` that were used for nothing else."""

_CANDIDATES = (4, 32, 256)
_MOST_TRIES = 64


def accepted(log_p: Tensor, log_q: Tensor, uniform: Tensor) -> Tensor:
    """How many leading tokens of each draft are kept, `[B]`, from `[B, K]` log-probabilities and uniforms."""
    return (uniform.log() + log_q < log_p).long().cumprod(1).sum(1)


def draw_residual(model: NextLat, belief: Tensor, log_q: Callable[[Tensor, Token], Tensor], noise: Noise) -> Token:
    """Tokens `[R]` from max(p - q, 0), normalised, with p the model's at `belief: [R, D]`.

    By rejection: y ~ p is taken with probability max(0, 1 - q(y) / p(y)). It needs nothing of a distribution but
    samples and log-probabilities, so it serves every space. A try succeeds with the probability that the draft was
    refused with, so that over all drafts there is one try a draft on average; the more seldom a refusal, the more
    candidates it needs, hence ever larger batches of them.

    Args:
        model: the target's heads.
        belief: `[R, D]` true beliefs at which a draft was refused.
        log_q: (rows `[N]` into R, tokens `[N]`) -> log-probability under the drafter, `[N]`.
        noise: fresh uniforms.
    """
    size = token_num_uniforms(model)
    open_rows = torch.arange(len(belief), device=belief.device)
    chosen: Token | None = None
    for attempt in range(_MOST_TRIES):
        copies = _CANDIDATES[min(attempt, len(_CANDIDATES) - 1)]
        uniform = noise(open_rows, attempt, copies * (size + 1)).view(len(open_rows) * copies, size + 1)
        rows = open_rows.repeat_interleave(copies)
        candidate, log_p = draw_tokens_at(model, belief, rows, uniform[:, :size])
        ratio = log_q(rows, candidate) - log_p
        taken = (uniform[:, size].log() > ratio).view(-1, copies)
        first = taken.float().argmax(1) + torch.arange(len(open_rows), device=belief.device) * copies
        candidate = candidate.map(lambda x, first=first: x[first])  # type: ignore[misc]
        chosen = candidate if chosen is None else replace_rows(chosen, open_rows, candidate)
        open_rows = open_rows[~taken.any(1)]
        if not len(open_rows):
            break
    # A row still open after some 16,000 candidates was refused by rounding: p and q agree to about one part in that.
    assert chosen is not None
    return chosen
