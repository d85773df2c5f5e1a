"""Base classes of drafters: cheap guesses of the steps that the trunk is going to draw, with the noise it will use.

Most drafters predict *features*, the trunk's coming beliefs, one after the other or all at once, and draw steps from
the trunk's own heads there.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from nextlat_rl.drafting.net import DrafterNet
from nextlat_rl.drafting.token import Token, from_parts, sample_token, stack
from nextlat_rl.memory import Memory
from nextlat_rl.models.nextlat import NextLat
from nextlat_rl.models.transformer import KVCache, Transformer
from nextlat_rl.tracing import Traced

LONGEST = 8  # steps that a drafter must be able to guess at once


class Drafter(ABC):
    """Guesses what the trunk would draw.

    A module of `drafters/` exports its drafter as `DRAFTER`, whose constructor takes the trunk's model and the weights.

    Attributes:
        net_class: of its weights; None for a drafter that needs no training.
        uses_dynamics: whether it drafts with the latent dynamics.
        foreseen: whether it would have guessed the first step of the round before, of each row where it would have
            guessed at all, if that costs nothing to know. While nothing is drafted, it tells when that would pay.
    """

    net_class: ClassVar[type[DrafterNet] | None] = None
    uses_dynamics: ClassVar[bool] = False
    foreseen: Sequence[bool] = ()

    def begin(self, memory: Memory) -> None:  # noqa: B027 - most drafters remember nothing
        """A roll-out starts where `memory` stands; what came before is forgotten."""

    @abstractmethod
    def draft(self, belief: Tensor, token: Token, uniform: Tensor) -> Token:
        """Guess the K steps `[B, K]` that follow, or fewer where every row comes to an end before.

        Args:
            belief: `[B, D]` true beliefs h_t.
            token: `[B]` the step taken there, already final.
            uniform: `[B, K, token_num_uniforms]` in [0, 1), which the trunk will draw these steps with.
        """

    def advance(self, belief: Tensor, chunk: Token, hidden: Tensor, kept: Tensor) -> None:  # noqa: B027
        """A round made the first `kept + 1` steps of each row final, none where `kept` is -1.

        Args:
            belief: `[B, D]` true beliefs before the chunk.
            chunk: `[B, K + 1]` the step known before the draft, and the draft.
            hidden: `[B, K + 1, D]` true beliefs after each of them.
            kept: `[B]` drafts that were kept.
        """


class SequentialDrafter(Drafter):
    """Guesses a feature, draws a step there, and goes on from both.

    Args:
        heads: make steps of features: the trunk's model, or another one with heads of its own.
    """

    def __init__(self, heads: NextLat) -> None:
        self.heads = heads
        self._draw = Traced(heads, lambda feature, uniform: sample_token(heads, feature, uniform).parts())

    @abstractmethod
    def next_feature(self, feature: Tensor, token: Token) -> Tensor:
        """The feature `[B, D]` after a step `[B]` taken at `feature: [B, D]`, at first a true belief."""

    def guess(self, feature: Tensor, token: Token, uniform: Tensor) -> tuple[Tensor, Token]:
        """`next_feature`, and a step `[B]` drawn there with `uniform: [B, token_num_uniforms]`."""
        feature = self.next_feature(feature, token)
        return feature, from_parts(self.heads.observation, self._draw(feature, uniform))

    def prepare(self, belief: Tensor) -> None:
        """A draft begins at true beliefs `[B, D]`."""

    def draft(self, belief: Tensor, token: Token, uniform: Tensor) -> Token:
        """As many steps as there is noise for, or to the end of the episode."""
        self.prepare(belief)
        tokens, feature, ended = [], belief, token.end
        for k in range(uniform.shape[1]):
            feature, token = self.guess(feature, token, uniform[:, k])
            tokens.append(token)
            ended = ended | token.end
            if ended.all():
                break
        return stack(tokens)


class CachedDrafter(SequentialDrafter):
    """A small transformer that reads along: its cache holds the final steps since the roll-out began.

    Args:
        heads: as in `SequentialDrafter`.
        reader: the small transformer.
    """

    def __init__(self, heads: NextLat, reader: Transformer) -> None:
        super().__init__(heads)
        self.reader = reader

    @abstractmethod
    def embed(self, feature: Tensor, token: Token) -> Tensor:
        """What the reader reads for steps `[*B]` taken at features `[*B, D]`."""

    def begin(self, memory: Memory) -> None:
        """Nothing is read yet; there may be nothing to draft either, and then no cache is needed."""
        self.behind = True

    def start(self, belief: Tensor) -> None:
        """Forget everything and begin at `belief: [B, D]`."""
        self.cache = KVCache(self.reader, len(belief), self.reader.context + LONGEST + 1)
        self.read = self.cache.position.clone()
        self.behind = False

    def prepare(self, belief: Tensor) -> None:
        """Start again where rounds were not read."""
        if self.behind:
            self.start(belief)

    def next_feature(self, feature: Tensor, token: Token) -> Tensor:
        """Read one more step."""
        hidden = self.reader.extend(self.embed(feature, token)[:, None], self.cache)[:, 0]
        return self.heads.with_numbers(hidden, token.observation)

    def advance(self, belief: Tensor, chunk: Token, hidden: Tensor, kept: Tensor) -> None:
        """Read what is final once more, now after true beliefs.

        A round without a draft is not read: where drafts do not pay, reading along must not cost. The next draft then
        begins at its belief, which carries most of what was missed.
        """
        if chunk.end.shape[1] == 1:
            self.behind = True
            return
        if self.behind:
            self.start(belief)
        self.cache.crop(self.read)
        before = torch.cat((belief[:, None], hidden[:, :-1]), 1)
        self.reader.extend(self.embed(before, chunk), self.cache)
        self.read = self.read + kept + 1
        self.cache.crop(self.read)


class BlockDrafter(Drafter):
    """Guesses all features in one pass, and draws a step at each of them without regard to the others.

    Args:
        heads: as in `SequentialDrafter`.
    """

    def __init__(self, heads: NextLat) -> None:
        self.heads = heads
        self._draw = Traced(heads, lambda feature, uniform: sample_token(heads, feature, uniform).parts())

    @abstractmethod
    def features(self, belief: Tensor, token: Token, length: int) -> Tensor:
        """The features `[B, K, D]` after a step `[B]` taken at `belief: [B, D]` and after the K - 1 that follow."""

    def draft(self, belief: Tensor, token: Token, uniform: Tensor) -> Token:
        """As many steps as there is noise for."""
        feature = self.features(belief, token, uniform.shape[1])
        return from_parts(self.heads.observation, self._draw(feature, uniform))
