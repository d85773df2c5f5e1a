"""Byte-pair tokenizer (Sennrich et al. 2016) over UTF-8 bytes, so that any text is decoded exactly."""

from __future__ import annotations

import re

from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer

# A word with the blank before it, a run of punctuation, a run of white space: every character is in exactly one piece.
_PIECES = re.compile(r"\s?\w+|\s?[^\w\s]+|\s+")
BYTES = 256


class BytePairTokenizer:
    """Tokens `0..255` are bytes, the others joined pairs; `bytes[i]` is what token `i` stands for."""

    def __init__(self, model: Tokenizer) -> None:
        self._model = model
        vocabulary = model.get_vocab()
        self.bytes = [token.encode("latin-1") for token in sorted(vocabulary, key=vocabulary.__getitem__)]

    def __len__(self) -> int:
        return len(self.bytes)

    @classmethod
    def train(cls, text: str, vocabulary: int) -> BytePairTokenizer:
        """Join the pair that is most frequent in `text`, again and again, up to `vocabulary` (>= 256) tokens.

        Training stops earlier when no pair occurs twice. Of equally frequent pairs the one with the smaller token
        numbers is joined first, so the same text always gives the same tokens.
        """
        model = Tokenizer(BPE())
        trainer = BpeTrainer(
            vocab_size=vocabulary, min_frequency=2, show_progress=False, initial_alphabet=[chr(i) for i in range(BYTES)]
        )
        model.train_from_iterator(_pieces(text), trainer)
        return cls(model)

    def encode(self, text: str) -> list[int]:
        """Tokens of `text`."""
        return self._model.encode(_pieces(text), is_pretokenized=True).ids

    def decode(self, tokens: list[int]) -> str:
        """Text of `tokens`; bytes that are not UTF-8 (half a character) become the replacement character."""
        return b"".join(self.bytes[token] for token in tokens).decode(errors="replace")


def _pieces(text: str) -> list[str]:
    """The pieces within which pairs are joined, each byte as the character of the same number."""
    return [piece.encode().decode("latin-1") for piece in _PIECES.findall(text)]
