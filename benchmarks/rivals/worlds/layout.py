"""Observations as the parts that their space has: fields of a few classes, tokens of such fields, and numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor

from nextlat_rl.data.store import Store
from nextlat_rl.errors import UserError
from nextlat_rl.spaces import Codec, codec_class, leaves
from nextlat_rl.spaces.box import BoxCodec
from nextlat_rl.spaces.categorical import FieldsCodec, SymbolicGridCodec
from nextlat_rl.spaces.text import TextCodec


@dataclass(frozen=True)
class _Leaf:
    """A leaf's fields: cardinalities, how many make up a token, and the way from stored form and back."""

    cardinality: np.ndarray  # [f]; empty for numbers and constants
    group: int
    numbers: int
    split: Callable[[Tensor], Tensor]  # [*B, *leaf] -> [*B, f] classes or [*B, n] numbers
    join: Callable[[Tensor], Tensor]  # the inverse


class Layout:
    """Splits observations into F fields, or K tokens of one or three of them, and C numbers, and joins them again.

    A cell of MiniGrid's view is a token of three fields; a text is one field; a number is normalised by the data's
    mean and standard deviation, as `BoxCodec` does.

    Attributes:
        cardinality: `[F]` classes of every field.
        classes: `[K]` classes of every token.
        numbers: C.

    Raises:
        UserError: a part of the observation is an image or something else that has no such parts.

    """

    def __init__(self, space: gym.Space[Any], statistics: dict[str, Any]) -> None:
        self._leaves = {name: _leaf(leaf, statistics[name]) for name, leaf in leaves(space).items()}
        made = list(self._leaves.values())
        self.cardinality = np.concatenate([leaf.cardinality for leaf in made]).astype(np.int64)
        self.numbers = sum(leaf.numbers for leaf in made)
        groups = [size for leaf in made for size in [leaf.group] * (len(leaf.cardinality) // leaf.group)]
        token = np.repeat(np.arange(len(groups)), groups)
        stride, classes = np.ones(len(token), np.int64), np.ones(len(groups), np.int64)
        for field, of in enumerate(token):
            stride[field] = classes[of]
            classes[of] *= self.cardinality[field]
        self.classes = classes
        self._token, self._stride = torch.from_numpy(token), torch.from_numpy(stride)
        self._cardinality = torch.from_numpy(self.cardinality)

    @classmethod
    def of(cls, store: Store) -> Layout:
        """Of a store's observations."""
        return cls(store.observation_space, store.statistics["observation"])

    def split(self, observation: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Leaf -> `[*B, *leaf]` to fields `[*B, F]` int64 and numbers `[*B, C]` float32."""
        fields, numbers = [], []
        for name, leaf in self._leaves.items():
            if leaf.numbers:
                numbers.append(leaf.split(observation[name]))
            elif len(leaf.cardinality):
                fields.append(leaf.split(observation[name]))
            else:
                like = leaf.split(observation[name])
                fields.append(like[..., :0])
        batch = (fields + numbers)[0].shape[:-1]
        empty = torch.zeros(*batch, 0)
        return torch.cat([empty.long(), *fields], -1), torch.cat([empty, *numbers], -1)

    def join(self, fields: Tensor, numbers: Tensor) -> dict[str, Tensor]:
        """The inverse of `split`."""
        observation = {}
        for name, leaf in self._leaves.items():
            if leaf.numbers:
                mine, numbers = numbers[..., : leaf.numbers], numbers[..., leaf.numbers :]
            else:
                mine, fields = fields[..., : len(leaf.cardinality)], fields[..., len(leaf.cardinality) :]
            observation[name] = leaf.join(mine)
        return observation

    def tokens(self, fields: Tensor) -> Tensor:
        """Fields `[*B, F]` to tokens `[*B, K]`."""
        tokens = torch.zeros(*fields.shape[:-1], len(self.classes), dtype=torch.long)
        return tokens.index_add(-1, self._token, fields * self._stride)

    def fields(self, tokens: Tensor) -> Tensor:
        """The inverse of `tokens`."""
        return tokens[..., self._token] // self._stride % self._cardinality


def _leaf(space: gym.Space[Any], statistics: dict[str, Any]) -> _Leaf:
    """How one leaf is split."""
    kind = codec_class(space)
    if issubclass(kind, FieldsCodec):
        return _fields(kind, space)
    if issubclass(kind, TextCodec):
        return _text(space, statistics["texts"])
    if issubclass(kind, BoxCodec):
        return _box(kind(space, 1, statistics))
    raise UserError(f"suite=worlds cannot split {space} into fields and numbers; it needs vectors or symbolic views")


def _fields(kind: type[FieldsCodec], space: gym.Space[Any]) -> _Leaf:
    cardinality, shape = kind.fields(space)[0], kind.storage(space)[1]
    dtype = torch.from_numpy(np.empty(0, kind.storage(space)[0])).dtype
    group = shape[-1] if issubclass(kind, SymbolicGridCodec) else 1
    return _Leaf(
        cardinality.reshape(-1),
        group,
        0,
        lambda x: x.reshape(*x.shape[: x.dim() - len(shape)], -1).long(),
        lambda x: x.reshape(*x.shape[:-1], *shape).to(dtype),
    )


def _text(space: gym.Space[Any], texts: list[str]) -> _Leaf:
    """A field of the texts in the data and "other"; none at all if the data have a single text."""
    known = torch.from_numpy(TextCodec.encode(space, texts))  # [n, length]

    def split(x: Tensor) -> Tensor:
        same = (x[..., None, :] == known).all(-1)  # [*B, n]
        return torch.where(same.any(-1), same.to(torch.uint8).argmax(-1), len(texts))[..., None]

    def join(x: Tensor) -> Tensor:
        index = x[..., 0] if x.shape[-1] else x.new_zeros(x.shape[:-1], dtype=torch.long)
        return known[torch.where(index < len(texts), index, 0)]  # "other" is the most frequent text, as in the codec

    return _Leaf(np.asarray([len(texts) + 1] if len(texts) > 1 else [], np.int64), 1, 0, split, join)


def _box(codec: Codec) -> _Leaf:
    assert isinstance(codec, BoxCodec)
    mean, std, shape = codec.mean, codec.std, codec.storage_shape
    dtype = torch.from_numpy(np.empty(0, codec.storage_dtype)).dtype
    return _Leaf(
        np.zeros(0, np.int64),
        1,
        len(mean),
        lambda x: (x.reshape(*x.shape[: x.dim() - len(shape)], -1).float() - mean) / std,
        lambda x: (x * std + mean).reshape(*x.shape[:-1], *shape).to(dtype),
    )
