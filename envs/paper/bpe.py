"""A small byte-pair tokenizer (Sennrich et al. 2016) over UTF-8 bytes: any text comes back exactly."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from itertools import pairwise

Pair = tuple[int, int]

# Words with the blank before them, runs of signs, runs of white space: every character is in exactly one piece.
_PIECES = re.compile(r"\s?\w+|\s?[^\w\s]+|\s+")
BYTES = 256


class BytePairTokenizer:
    """Tokens `0..255` are bytes; token `256 + i` is the pair of tokens that `merges[i]` joins."""

    def __init__(self, merges: list[Pair]) -> None:
        self.bytes = [bytes([i]) for i in range(BYTES)]
        for left, right in merges:
            self.bytes.append(self.bytes[left] + self.bytes[right])
        self._rank = {pair: BYTES + i for i, pair in enumerate(merges)}
        self._pieces: dict[str, list[int]] = {}

    def __len__(self) -> int:
        return len(self.bytes)

    @classmethod
    def train(cls, text: str, vocabulary: int) -> BytePairTokenizer:
        """Joins the pair that is most frequent in `text`, again and again, up to `vocabulary` (>= 256) tokens.

        Stops earlier when no pair occurs twice.
        """
        pieces = Counter(_PIECES.findall(text))
        words = [list(piece.encode()) for piece in pieces]
        weights = list(pieces.values())
        counts, users = Counter[Pair](), defaultdict[Pair, set[int]](set)
        for i, word in enumerate(words):
            _count(word, i, weights[i], counts, users)
        merges = list[Pair]()
        while len(merges) < vocabulary - BYTES and counts:
            # Of equally frequent pairs the first in order, so that training has one outcome.
            pair = max(counts, key=lambda pair: (counts[pair], -pair[0], -pair[1]))
            if counts[pair] < 2:
                break
            merges.append(pair)
            for i in users[pair].copy():
                _count(words[i], i, -weights[i], counts, users)
                words[i] = _join(words[i], pair, BYTES + len(merges) - 1)
                _count(words[i], i, weights[i], counts, users)
        return cls(merges)

    def encode(self, text: str) -> list[int]:
        """Tokens of `text`."""
        return [token for piece in _PIECES.findall(text) for token in self._encode_piece(piece)]

    def decode(self, tokens: list[int]) -> str:
        """The text of `tokens`; bytes that are no UTF-8 (half a character) become the replacement character."""
        return b"".join(self.bytes[token] for token in tokens).decode(errors="replace")

    def _encode_piece(self, piece: str) -> list[int]:
        if piece not in self._pieces:
            tokens = list(piece.encode())
            while known := [pair for pair in pairwise(tokens) if pair in self._rank]:
                first = min(known, key=self._rank.__getitem__)
                tokens = _join(tokens, first, self._rank[first])
            self._pieces[piece] = tokens
        return self._pieces[piece]


def _count(word: list[int], i: int, weight: int, counts: Counter[Pair], users: dict[Pair, set[int]]) -> None:
    """Add `weight` to the pairs of word `i`, or take it away."""
    for pair in pairwise(word):
        counts[pair] += weight
        if weight > 0:
            users[pair].add(i)
        elif counts[pair] == 0:
            del counts[pair], users[pair]


def _join(word: list[int], pair: Pair, token: int) -> list[int]:
    """`word` with each `pair`, from the left, replaced by `token`."""
    joined, i = list[int](), 0
    while i < len(word):
        found = tuple(word[i : i + 2]) == pair
        joined.append(token if found else word[i])
        i += 2 if found else 1
    return joined
