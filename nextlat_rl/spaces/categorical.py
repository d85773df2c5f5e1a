"""Codecs of fixed sets of categorical fields: Discrete, MultiDiscrete, MultiBinary, MiniGrid's symbolic view."""

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nextlat_rl.errors import UserError
from nextlat_rl.spaces.codec import SMALLEST_IMAGE, Codec, Role, Storage, as_rows, elements
from nextlat_rl.spaces.distributions import categorical_kl, fields_cross_entropy, inverse_cdf

GRID_CARDINALITIES = (11, 6, 4)
"""MiniGrid's numbers of objects, colours and states (the agent's four directions are states)."""


class FieldsCodec(Codec):
    """`n` independent categorical fields with cardinalities `c_i`; stored as the class index of every field.

    Parameters are the logits, `P = sum(c_i)`. Fields of equal cardinality `c` form a group of `m` fields, groups in
    ascending order of `c`, and the logits of a group are laid out `[c, m]`: softmax and gather then run along a long
    contiguous axis, which on a CPU is three times faster than `[m, c]`. A single field has plain logits `[c]`.
    """

    discrete: ClassVar[bool] = True
    remedy: ClassVar[str] = "correct the space or the data"
    base: Tensor
    stride: Tensor
    order: Tensor
    inverse_order: Tensor
    stored_base: Tensor
    stored_stride: Tensor

    def __init__(self, space: gym.Space[Any], width: int, statistics: dict[str, Any], features: int = 0) -> None:
        super().__init__(space, width, statistics, features)
        cardinalities = self.fields(space)[0].reshape(-1)
        self.num_uniforms = len(cardinalities)
        self._index_fields(cardinalities)
        total = int(cardinalities.sum())
        self.table = nn.Embedding(total, width)
        nn.init.normal_(self.table.weight, std=len(cardinalities) ** -0.5)
        self.mix = nn.Sequential(nn.GELU(), nn.Linear(width, width)) if self.num_uniforms > 1 else nn.Identity()
        self.logits = nn.Linear(self.features, total)

    @classmethod
    @abstractmethod
    def fields(cls, space: gym.Space[Any]) -> tuple[np.ndarray, np.ndarray]:
        """Cardinality and smallest value of every field, both of the shape of an element."""

    @classmethod
    def storage(cls, space: gym.Space[Any]) -> Storage:
        """Class indices in the smallest of uint8, int32 and int64 that holds them."""
        cardinalities, _ = cls.fields(space)
        return _smallest_type(cardinalities), cardinalities.shape

    @classmethod
    def encode(cls, space: gym.Space[Any], values: Any) -> np.ndarray:
        """Values to class indices, which count from the start of each field."""
        cardinalities, starts = cls.fields(space)
        index = as_rows(space, values).astype(np.int64) - starts
        if (index < 0).any() or (index >= cardinalities).any():
            raise UserError(f"values outside {space}: {cls.remedy}")
        return index.astype(_smallest_type(cardinalities))

    @classmethod
    def decode(cls, space: gym.Space[Any], stored: np.ndarray) -> list[Any]:
        """Class indices to values."""
        _, starts = cls.fields(space)
        return elements((stored.astype(np.int64) + starts).astype(space.dtype))

    def embed(self, x: Tensor) -> Tensor:
        """Sum of one learned vector per field, mixed by GELU and a linear layer when there is more than one."""
        if self.num_uniforms == 1:
            return self.table(self._flat(x)[..., 0].long())
        if torch.is_grad_enabled():  # the gradient of embedding_bag takes three times as long
            return self.mix(self.one_hot(x) @ self.table.weight)
        index = self._flat(x).long() * self.stored_stride + self.stored_base
        bags = F.embedding_bag(index.reshape(-1, self.num_uniforms), self.table.weight, mode="sum")
        return self.mix(bags.view(*index.shape[:-1], self.width))

    def one_hot(self, x: Tensor) -> Tensor:
        """1 at the parameter of each field's class, 0 elsewhere, `[*batch, P]`."""
        index = self._ordered(x) * self.stride + self.base
        table = self.table.weight
        zeros = torch.zeros(*index.shape[:-1], len(table), device=x.device, dtype=table.dtype)
        return zeros.scatter_(-1, index, 1.0)

    def log_prob(self, parameters: Tensor, x: Tensor) -> Tensor:
        """Sum of the log-probabilities of the fields."""
        batch, size = parameters.shape[:-1], parameters.shape[-1]
        target = self._ordered(x).expand(*batch, self.num_uniforms).reshape(-1, self.num_uniforms)
        groups = list(zip(self._classes, self._sizes, strict=True))
        return -fields_cross_entropy(parameters.reshape(-1, size), target, groups).view(batch)

    def mode(self, parameters: Tensor) -> Tensor:
        """Most likely class of every field."""
        # Along any axis but the last `max` is five to ten times as fast as `argmax`.
        return self._restored([logits.max(-2).indices for logits in self._groups(parameters)])

    def sample(self, parameters: Tensor, uniform: Tensor) -> Tensor:
        """One uniform per field, in the order of the parameters."""
        pieces = zip(self._groups(parameters), uniform.split(self._sizes, -1), strict=True)
        return self._restored([inverse_cdf(logits, u, dim=-2) for logits, u in pieces])

    def kl(self, p: Tensor, q: Tensor) -> Tensor:
        """Sum of the divergences of the fields."""
        pairs = zip(self._groups(p), self._groups(q), strict=True)
        return torch.stack([categorical_kl(a, b, dim=-2).sum(-1) for a, b in pairs]).sum(0)

    def _index_fields(self, cardinalities: np.ndarray) -> None:
        """Prepare the order of the fields and where class k of a field is in the parameters: `k * stride + base`."""
        order = np.argsort(cardinalities, kind="stable")
        classes, sizes = np.unique(cardinalities, return_counts=True)
        self._sizes = sizes.tolist()
        self._classes = classes.tolist()
        starts = np.concatenate([[0], np.cumsum(classes * sizes)[:-1]])
        base = np.concatenate([start + np.arange(size) for start, size in zip(starts, sizes, strict=True)])
        indices = {
            "order": order,
            "inverse_order": np.argsort(order),
            "base": base,
            "stride": np.repeat(sizes, sizes),
        }
        # The same in the order of storage.
        indices |= {f"stored_{name}": indices[name][indices["inverse_order"]] for name in ("base", "stride")}
        for name, value in indices.items():
            self.register_buffer(name, torch.as_tensor(value, dtype=torch.long), persistent=False)

    def _ordered(self, x: Tensor) -> Tensor:
        """Stored `[*batch, *storage_shape]` to class indices `[*batch, n]` with equal cardinalities together."""
        return self._flat(x).index_select(-1, self.order).long()

    def _restored(self, groups: list[Tensor]) -> Tensor:
        """Inverse of `_ordered` for class indices given by group."""
        if self.num_uniforms == 1:
            return self._as_stored(groups[0])
        return self._as_stored(torch.cat(groups, -1).index_select(-1, self.inverse_order))

    def _groups(self, parameters: Tensor) -> Iterator[Tensor]:
        """Logits `[*batch, c, m]` of every group."""
        if self.num_uniforms == 1:
            yield parameters.unsqueeze(-1)
            return
        lengths = [c * m for c, m in zip(self._classes, self._sizes, strict=True)]
        for logits, c in zip(parameters.split(lengths, -1), self._classes, strict=True):
            yield logits.unflatten(-1, (c, -1))


class DiscreteCodec(FieldsCodec):
    """gym.spaces.Discrete, one field."""

    space_type: ClassVar[type[gym.Space[Any]]] = gym.spaces.Discrete

    @classmethod
    def fields(cls, space: gym.Space[Any]) -> tuple[np.ndarray, np.ndarray]:
        """One field of shape ()."""
        assert isinstance(space, gym.spaces.Discrete)
        return np.asarray(space.n, np.int64), np.asarray(space.start, np.int64)

    @classmethod
    def decode(cls, space: gym.Space[Any], stored: np.ndarray) -> list[Any]:
        """Scalars of the type of the space."""
        return [value[()] for value in super().decode(space, stored)]


class MultiDiscreteCodec(FieldsCodec):
    """gym.spaces.MultiDiscrete of any shape."""

    space_type: ClassVar[type[gym.Space[Any]]] = gym.spaces.MultiDiscrete

    @classmethod
    def fields(cls, space: gym.Space[Any]) -> tuple[np.ndarray, np.ndarray]:
        """One field per entry of nvec."""
        assert isinstance(space, gym.spaces.MultiDiscrete)
        return space.nvec.astype(np.int64), space.start.astype(np.int64)


class MultiBinaryCodec(FieldsCodec):
    """gym.spaces.MultiBinary of any shape."""

    space_type: ClassVar[type[gym.Space[Any]]] = gym.spaces.MultiBinary

    @classmethod
    def fields(cls, space: gym.Space[Any]) -> tuple[np.ndarray, np.ndarray]:
        """Two classes per bit."""
        starts = np.zeros(space.shape or (), np.int64)
        return starts + 2, starts


class SymbolicGridCodec(FieldsCodec):
    """MiniGrid's symbolic view, Box uint8 `[H, W, 3]` of (object, colour, state)."""

    space_type: ClassVar[type[gym.Space[Any]]] = gym.spaces.Box
    roles: ClassVar[tuple[Role, ...]] = ("observation",)
    priority: ClassVar[int] = 2
    remedy = "a small uint8 Box [H, W, 3] is read as MiniGrid's symbolic view; record images at 16x16 or larger"

    @classmethod
    def handles(cls, space: gym.Space[Any], role: Role) -> bool:
        """Boxes of that type and shape with fewer than 16 cells on a side."""
        shape = space.shape or ()
        small = len(shape) == 3 and shape[2] == 3 and max(shape) < SMALLEST_IMAGE
        return super().handles(space, role) and space.dtype == np.uint8 and small

    @classmethod
    def fields(cls, space: gym.Space[Any]) -> tuple[np.ndarray, np.ndarray]:
        """Three fields per cell."""
        starts = np.zeros(space.shape or (), np.int64)
        return starts + GRID_CARDINALITIES, starts


CODECS = (DiscreteCodec, MultiDiscreteCodec, MultiBinaryCodec, SymbolicGridCodec)


def _smallest_type(cardinalities: np.ndarray) -> np.dtype[Any]:
    """The smallest of uint8, int32 and int64 that holds the class indices."""
    largest = int(cardinalities.max(initial=1)) - 1
    return np.dtype(np.uint8 if largest < 2**8 else np.int32 if largest < 2**31 else np.int64)
