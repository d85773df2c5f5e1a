"""Look-up decoding (the n-gram pool of arXiv 2402.02057): what followed when this was last seen. No training."""

from __future__ import annotations

from functools import reduce

import torch
from torch import Tensor

from nextlat_rl.drafting.drafter import Draft, Drafter
from nextlat_rl.drafting.token import Token, same_token, stack
from nextlat_rl.world_model import Memory

_CAPACITY = 4096  # steps remembered
_LONGEST_MATCH = 2
_MULTIPLIER = 0x5851F42D4C957F2D  # Knuth's MMIX

Gram = tuple[int, ...]


class LookaheadDrafter(Drafter):
    """Repeats what followed the last two steps, else the last one, in anything drawn so far, all roll-outs included."""

    def __init__(self) -> None:
        self._followers: dict[Gram, int] = {}  # n-gram -> slot of the step that came next
        self._pool: Token | None = None  # [capacity]
        self._remembered = 0

    def begin(self, memory: Memory) -> None:
        """The pool stays; what the rows did last is forgotten."""
        self._last: list[Gram] = [()] * len(memory.belief)

    def draft(self, belief: Tensor, token: Token, uniform: Tensor) -> Draft:
        """Each guess has probability 1; where nothing is known the step before is repeated."""
        tokens, last, ended = [], list(self._last), token.end
        for _ in range(uniform.shape[1]):
            last = _longer(last, token)
            token = self._follow(last, token)
            tokens.append(token)
            ended = ended | token.end
            if ended.all():
                break
        guess = stack(tokens)

        def log_q_at(rows: Tensor, position: Tensor, other: Token) -> Tensor:
            same = same_token(other, guess.map(lambda x: x[rows, position]))
            return torch.where(same, 0.0, -torch.inf)

        return Draft(guess, torch.zeros(guess.end.shape, device=uniform.device), log_q_at)

    def advance(self, belief: Tensor, chunk: Token, hidden: Tensor, kept: Tensor) -> None:
        """Put the final steps into the pool."""
        if self._pool is None:
            self._pool = chunk.map(lambda x: x.new_zeros((_CAPACITY, *x.shape[2:])))
        for k in range(chunk.end.shape[1]):
            step = chunk.map(lambda x, k=k: x[:, k])  # type: ignore[misc]
            longer = _longer(self._last, step)
            for row in (kept >= k).nonzero().squeeze(1).tolist():
                self._remember(self._last[row], step.map(lambda x, row=row: x[row]))  # type: ignore[misc]
                self._last[row] = longer[row]

    def _follow(self, last: list[Gram], token: Token) -> Token:
        """What came after each row's last steps, or `token: [B]` itself."""
        grams = [[gram[-n:] for n in range(len(gram), 0, -1)] for gram in last]
        slots = [next((self._followers[g] for g in some if g in self._followers), -1) for some in grams]
        if self._pool is None or max(slots) < 0:
            return token
        slot = torch.tensor(slots, device=token.end.device)
        rows = (slot >= 0).nonzero().squeeze(1)
        chosen = token.map(torch.clone)
        for into, pool in zip(chosen.parts(), self._pool.parts(), strict=True):
            into[rows] = pool[slot[rows]]
        return chosen

    def _remember(self, last: Gram, step: Token) -> None:
        """`step` came after `last`."""
        assert self._pool is not None
        slot = self._remembered % _CAPACITY
        self._remembered += 1
        for into, new in zip(self._pool.parts(), step.parts(), strict=True):
            into[slot] = new
        for n in range(1, len(last) + 1):
            self._followers[last[-n:]] = slot


def _longer(grams: list[Gram], token: Token) -> list[Gram]:
    """Each row's last steps with one more at their end."""
    names = step_hash(token).tolist()
    return [(*gram, name)[-_LONGEST_MATCH:] for gram, name in zip(grams, names, strict=True)]


def step_hash(token: Token) -> Tensor:
    """A 64-bit name of each step, `[B]`; integer arithmetic, so that it is the same in every batch."""

    def mix(name: Tensor, part: Tensor) -> Tensor:
        bits = part.float().view(torch.int32) if part.is_floating_point() else part
        columns = bits.reshape(len(part), -1).long()
        weight = torch.arange(1, 2 * columns.shape[1], 2, device=part.device) * _MULTIPLIER
        name = (name + ((columns ^ (columns >> 7)) * weight).sum(1)) * _MULTIPLIER
        return name ^ (name >> 29)

    return reduce(mix, token.parts(), torch.zeros_like(token.end, dtype=torch.long))
