"""Look-up decoding (the n-gram pool of arXiv 2402.02057): what followed when this was last seen. No training."""

import torch
from torch import Tensor

from nextlat_rl.drafting.drafter import Draft, Drafter
from nextlat_rl.drafting.exactness import can_come_true
from nextlat_rl.drafting.token import Token, same_token, stack
from nextlat_rl.errors import UserError
from nextlat_rl.memory import Memory
from nextlat_rl.models.nextlat import NextLat

_CAPACITY = 4096  # steps remembered
_LONGEST_MATCH = 2

Gram = tuple[int, ...]


class NgramDrafter(Drafter):
    """Repeats what followed the last two steps, else the last one, in anything drawn so far, all roll-outs included.

    Only for discrete observations: a guess has probability 1, and the verify step would take that for a density.

    Raises:
        UserError: a part of the observations is continuous.
    """

    foreseen: list[bool]

    def __init__(self, model: NextLat, net: None = None) -> None:
        if not can_come_true(model.observation):
            raise UserError(
                "drafter=ngram repeats steps, and where observations are continuous no step ever comes twice; "
                "use drafter=nextlat"
            )
        self._followers: dict[Gram, int] = {}  # n-gram -> slot of the step that came next
        self._leads: dict[int, list[Gram]] = {}  # slot -> the n-grams that led to its step
        self._pool: dict[int, tuple[Token, int, int]] = {}  # slot -> steps [B, K + 1], and which of them
        self._names: dict[int, int] = {}  # slot -> the name of that step
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

        return Draft(guess, uniform.new_zeros(guess.end.shape), log_q_at)

    def advance(self, belief: Tensor, chunk: Token, hidden: Tensor, kept: Tensor) -> None:
        """Put the final steps into the pool, and see which rows' first one it would have guessed."""
        names, self.foreseen = step_names(chunk), []
        for row, last in enumerate(kept.tolist()):
            if last >= 0 and self._last[row]:
                self.foreseen.append(names[row][0] == self._guess(self._last[row]))
            for k in range(last + 1):
                self._remember((chunk, row, k), names[row][k], self._last[row])
                self._last[row] = (*self._last[row], names[row][k])[-_LONGEST_MATCH:]

    def _slot(self, last: Gram) -> int | None:
        """Where the pool holds what came after these steps."""
        return next((self._followers[gram] for gram in _endings(last) if gram in self._followers), None)

    def _guess(self, last: Gram) -> int:
        """The name of the step that a draft would begin with after these steps."""
        slot = self._slot(last)
        return last[-1] if slot is None else self._names[slot]

    def _follow(self, last: list[Gram], token: Token) -> Token:
        """What came after each row's last steps, or `token: [B]` itself."""
        chosen = token.map(torch.clone)
        for row, gram in enumerate(last):
            slot = self._slot(gram)
            if slot is not None:
                steps, i, k = self._pool[slot]
                for into, part in zip(chosen.parts(), steps.parts(), strict=True):
                    into[row] = part[i, k]
        return chosen

    def _remember(self, step: tuple[Token, int, int], name: int, last: Gram) -> None:
        """`step`, of that name, came after `last`; it takes the oldest one's place."""
        slot = self._remembered % _CAPACITY
        self._remembered += 1
        for gram in self._leads.get(slot, ()):
            if self._followers.get(gram) == slot:
                del self._followers[gram]
        self._pool[slot], self._names[slot], self._leads[slot] = step, name, _endings(last)
        self._followers.update(dict.fromkeys(self._leads[slot], slot))


def _endings(gram: Gram) -> list[Gram]:
    """Its last steps, as many as there are first."""
    return [gram[-n:] for n in range(len(gram), 0, -1)]


def _longer(grams: list[Gram], token: Token) -> list[Gram]:
    """Each row's last steps with one more `[B]` at their end."""
    names = step_names(token.map(lambda x: x[:, None]))
    return [(*gram, *name)[-_LONGEST_MATCH:] for gram, name in zip(grams, names, strict=True)]


def step_names(token: Token) -> list[list[int]]:
    """A 64-bit name of each step `[B, K]`: equal ones have equal names, in every batch, for as long as Python runs."""
    rows, columns = token.end.shape
    parts = [part.reshape(rows, columns, -1).cpu().numpy() for part in token.parts()]
    return [[hash(b"".join(part[i, k].tobytes() for part in parts)) for k in range(columns)] for i in range(rows)]


DRAFTER = NgramDrafter
