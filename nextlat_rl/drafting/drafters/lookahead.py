"""Look-up decoding (the n-gram pool of arXiv 2402.02057): what followed when this was last seen. No training."""

from __future__ import annotations

import torch
from torch import Tensor

from nextlat_rl.drafting.drafter import Draft, Drafter
from nextlat_rl.drafting.token import Token, same_token, stack
from nextlat_rl.world_model import Memory

_CAPACITY = 4096  # steps remembered
_LONGEST_MATCH = 2

Gram = tuple[int, ...]


class LookaheadDrafter(Drafter):
    """Repeats what followed the last two steps, else the last one, in anything drawn so far, all roll-outs included."""

    def __init__(self) -> None:
        self._followers: dict[Gram, int] = {}  # n-gram -> slot of the step that came next
        self._leads: dict[int, list[Gram]] = {}  # slot -> the n-grams that led to its step
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
        for k in range(int(kept.max()) + 1):
            rows = (kept >= k).nonzero().squeeze(1)
            step = chunk.map(lambda x, rows=rows, k=k: x[rows, k])  # type: ignore[misc]
            slots = self._store(step)
            last = [self._last[row] for row in rows.tolist()]
            for row, slot, before, now in zip(rows.tolist(), slots, last, _longer(last, step), strict=True):
                self._leads[slot] = [before[-n:] for n in range(1, len(before) + 1)]
                self._followers.update(dict.fromkeys(self._leads[slot], slot))
                self._last[row] = now

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

    def _store(self, step: Token) -> list[int]:
        """Put steps `[R]` into the pool in place of the oldest; their slots."""
        assert self._pool is not None
        slots = [(self._remembered + i) % _CAPACITY for i in range(len(step.end))]
        self._remembered += len(slots)
        for slot in slots:
            for gram in self._leads.pop(slot, ()):
                if self._followers.get(gram) == slot:
                    del self._followers[gram]
        at = torch.tensor(slots, device=step.end.device)
        for into, new in zip(self._pool.parts(), step.parts(), strict=True):
            into[at] = new
        return slots


def _longer(grams: list[Gram], token: Token) -> list[Gram]:
    """Each row's last steps with one more at their end."""
    return [(*gram, name)[-_LONGEST_MATCH:] for gram, name in zip(grams, step_names(token), strict=True)]


def step_names(token: Token) -> list[int]:
    """A 64-bit name of each step `[B]`, the same for equal ones, whatever batch they are in, as long as Python runs."""
    parts = [part.reshape(len(part), -1).cpu().numpy() for part in token.parts()]
    return [hash(b"".join(part[row].tobytes() for part in parts)) for row in range(len(token.end))]
