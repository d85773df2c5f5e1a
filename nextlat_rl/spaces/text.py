"""Text, such as a mission: a categorical over the texts in the data."""

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nextlat_rl.errors import UserError
from nextlat_rl.spaces.codec import Codec, Role, Storage, mlp
from nextlat_rl.spaces.distributions import categorical_kl, inverse_cdf

MAX_LENGTH = 128
_MAX_TEXTS = 1024
_MAX_CHARSET = 254
_CHARACTER_WIDTH = 16


class TextCodec(Codec):
    """Text of up to 128 characters; longer ones are cut.

    Stored as uint8 codes: index in the sorted charset + 1, and 0 after the end. The distribution is a categorical over
    the texts in the statistics plus the class "other", `P = texts + 1`. The embedding reads the characters, so texts
    outside the statistics have one too, unless the data had a single text.
    """

    space_type: ClassVar[type[gym.Space[Any]]] = gym.spaces.Text
    roles: ClassVar[tuple[Role, ...]] = ("observation",)
    discrete: ClassVar[bool] = True
    known: Tensor
    known_hash: Tensor
    known_class: Tensor
    multipliers: Tensor

    def __init__(self, space: gym.Space[Any], width: int, statistics: dict[str, Any], features: int = 0) -> None:
        super().__init__(space, width, statistics, features)
        assert isinstance(space, gym.spaces.Text)
        self.num_uniforms = 1
        texts = statistics.get("texts") or [_characters(space)[0] * space.min_length]
        # "Other" is decoded as the most frequent text, which comes first.
        known = torch.from_numpy(self.encode(space, [*texts, texts[0]]))
        self.register_buffer("known", known, persistent=False)
        self.register_buffer("multipliers", _multipliers(self.storage_shape[0]), persistent=False)
        known_hash, known_class = self._hash(known[:-1]).sort()
        self.register_buffer("known_hash", known_hash, persistent=False)
        self.register_buffer("known_class", known_class, persistent=False)
        # A text that never changes in the data carries no information, and no embedding could be learned for others.
        self._constant = len(texts) == 1
        if not self._constant:
            self.characters = nn.Embedding(len(_characters(space)) + 1, _CHARACTER_WIDTH)
            self.embedding = mlp(self.storage_shape[0] * _CHARACTER_WIDTH, width)
        self.logits = nn.Linear(self.features, len(known))

    @classmethod
    def handles(cls, space: gym.Space[Any], role: Role) -> bool:
        """Texts that need not be longer than 128 characters."""
        return super().handles(space, role) and isinstance(space, gym.spaces.Text) and space.min_length <= MAX_LENGTH

    @classmethod
    def storage(cls, space: gym.Space[Any]) -> Storage:
        """Uint8 `[max_length]`, at most 128.

        Raises:
            UserError: the charset is larger than 254.
        """
        assert isinstance(space, gym.spaces.Text)
        _codes(space)
        return np.dtype(np.uint8), (min(space.max_length, MAX_LENGTH),)

    @classmethod
    def measure(cls, space: gym.Space[Any], stored: np.ndarray) -> dict[str, Any]:
        """{"texts": [...]}: up to 1024 different texts, most frequent first."""
        counts = Counter(row.tobytes() for row in stored)
        rows = [np.frombuffer(row, np.uint8) for row, _ in counts.most_common(_MAX_TEXTS)]
        return {"texts": cls.decode(space, np.reshape(rows, (-1, *cls.storage(space)[1])))}

    @classmethod
    def encode(cls, space: gym.Space[Any], values: Sequence[str]) -> np.ndarray:
        """Texts to codes.

        Raises:
            UserError: a character is not in the charset, or the charset is larger than 254.
        """
        codes = _codes(space)
        length = cls.storage(space)[1][0]
        row_of = {text: row for row, text in enumerate(dict.fromkeys(values))}
        rows = np.zeros((len(row_of), length), np.uint8)
        for text, row in row_of.items():
            unknown = set(text) - codes.keys()
            if unknown:
                raise UserError(f"text {text!r} has characters outside its space: add {sorted(unknown)} to the charset")
            rows[row, : len(text[:length])] = [codes[character] for character in text[:length]]
        return rows[[row_of[text] for text in values]]

    @classmethod
    def decode(cls, space: gym.Space[Any], stored: np.ndarray) -> list[Any]:
        """Codes to texts."""
        characters = _characters(space)
        unique, inverse = np.unique(stored, axis=0, return_inverse=True)
        texts = ["".join(characters[code - 1] for code in row if code) for row in unique]
        return [texts[i] for i in inverse.reshape(-1)]

    def embed(self, x: Tensor) -> Tensor:
        """MLP of the characters, run once for each different text of the batch; zeros if the data have one text."""
        if self._constant:
            return self.logits.weight.new_zeros(*x.shape[:-1], self.width)
        rows = x.reshape(-1, *self.storage_shape)
        unique, inverse = torch.unique(self._hash(rows), return_inverse=True)
        positions = torch.arange(len(rows), device=x.device)
        representative = torch.zeros_like(unique).scatter_(0, inverse, positions)
        embedded = self.embedding(self.characters(rows[representative].long()).flatten(1))
        taken = F.embedding(inverse, embedded)  # whose gradient has one order, see `types.taken`
        return taken.view(*x.shape[:-1], self.width)

    def log_prob(self, parameters: Tensor, x: Tensor) -> Tensor:
        """Log-probability of the text; that of "other" when it is unknown."""
        return parameters.log_softmax(-1).gather(-1, self._class(x).unsqueeze(-1)).squeeze(-1)

    def mode(self, parameters: Tensor) -> Tensor:
        """Codes of the most likely text."""
        return self.known[parameters.argmax(-1)]

    def sample(self, parameters: Tensor, uniform: Tensor) -> Tensor:
        """Codes of a known text; "other" gives the most frequent one."""
        return self.known[inverse_cdf(parameters, uniform.squeeze(-1))]

    def kl(self, p: Tensor, q: Tensor) -> Tensor:
        """Divergence of the categoricals."""
        return categorical_kl(p, q)

    def _hash(self, x: Tensor) -> Tensor:
        """64-bit hash `[*batch]` of codes `[*batch, max_length]`."""
        return (x.long() * self.multipliers).sum(-1)

    def _class(self, x: Tensor) -> Tensor:
        """Class `[*batch]` of codes `[*batch, max_length]`."""
        hashed = self._hash(x)
        nearest = torch.searchsorted(self.known_hash, hashed).clamp(max=len(self.known_hash) - 1)
        other = len(self.known_hash)
        return torch.where(self.known_hash[nearest] == hashed, self.known_class[nearest], other)


CODECS = (TextCodec,)


def _characters(space: gym.Space[Any]) -> list[str]:
    return list(_codes(space))


def _codes(space: gym.Space[Any]) -> dict[str, int]:
    """Code of every character, in the order of the sorted charset."""
    assert isinstance(space, gym.spaces.Text)
    return _codes_of(space.character_set)


@lru_cache
def _codes_of(charset: frozenset[str]) -> dict[str, int]:
    if len(charset) > _MAX_CHARSET:
        raise UserError(f"a Text space has {len(charset)} characters: use a charset of at most {_MAX_CHARSET}")
    return {character: code for code, character in enumerate(sorted(charset), start=1)}


def _multipliers(length: int) -> Tensor:
    """Fixed random odd 64-bit numbers, one per position; two texts collide with a probability of 2**-60."""
    generator = torch.Generator().manual_seed(0)
    return torch.randint(-(2**62), 2**62, (length,), generator=generator) * 2 + 1
