"""The interface of a codec: storage, embedding and predictive distribution of one leaf space."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor, nn

from nextlat_rl.errors import UserError
from nextlat_rl.spaces.distributions import full_precision

SMALLEST_IMAGE = 16  # pixels on a side; smaller arrays are not images
LARGEST_VECTOR = 4096  # numbers of an array of three or more axes that is read as a vector

Role = Literal["observation", "action"]
Storage = tuple[np.dtype[Any], tuple[int, ...]]


class Predictor(nn.Module, ABC):
    """Embedding and predictive distribution of stored values; works on any number of batch dimensions.

    Stored values are tensors `[*batch, *storage_shape]`, distribution parameters are `[*batch, P]`.

    Attributes:
        storage_dtype, storage_shape: how one element is stored.
        num_uniforms: how many uniforms in [0, 1) `sample` consumes per element.
        logits: the layer of the default `head`.
    """

    storage_dtype: np.dtype[Any]
    storage_shape: tuple[int, ...]
    num_uniforms: int
    logits: nn.Linear

    @abstractmethod
    def embed(self, x: Tensor) -> Tensor:
        """Stored values `[*batch, *storage_shape]` to `[*batch, width]`."""

    def head(self, features: Tensor) -> Tensor:
        """Features `[*batch, width]` to distribution parameters `[*batch, P]`, in float32 also under autocast."""
        return full_precision(self.logits(features))

    @abstractmethod
    def log_prob(self, parameters: Tensor, x: Tensor) -> Tensor:
        """Log-probability (nats) of stored values, `[*batch]`, summed over the parts of an element."""

    @abstractmethod
    def mode(self, parameters: Tensor) -> Tensor:
        """Most likely value of every part, `[*batch, *storage_shape]`."""

    @abstractmethod
    def sample(self, parameters: Tensor, uniform: Tensor) -> Tensor:
        """Inverse-CDF sample `[*batch, *storage_shape]` from uniforms `[*batch, num_uniforms]` in [0, 1)."""

    @abstractmethod
    def kl(self, p: Tensor, q: Tensor) -> Tensor:
        """KL(p || q) in nats between two parameter tensors, `[*batch]`."""


class Codec(Predictor):
    """Codec of one leaf of an observation space, or of an action space.

    Attributes:
        space_type: the class of the spaces that it handles.
        roles: what it can encode.
        priority: of all codecs that handle a space, the one with the highest priority is taken.
        space: the Gymnasium space.
        width: size of embeddings.
        features: size of what a head reads; by default the width.
        discrete: whether values come from a finite set, so that a prediction can be exactly right.
    """

    space_type: ClassVar[type[gym.Space[Any]]]
    roles: ClassVar[tuple[Role, ...]] = ("observation", "action")
    priority: ClassVar[int] = 0
    discrete: ClassVar[bool] = False

    def __init__(self, space: gym.Space[Any], width: int, statistics: dict[str, Any], features: int = 0) -> None:
        super().__init__()
        self.space = space
        self.width, self.features = width, features or width
        self.storage_dtype, self.storage_shape = self.storage(space)
        self._tensor_dtype = torch.from_numpy(np.empty(0, self.storage_dtype)).dtype

    @classmethod
    def handles(cls, space: gym.Space[Any], role: Role) -> bool:
        """Whether this codec can encode `space` in this role."""
        return isinstance(space, cls.space_type) and role in cls.roles

    @classmethod
    @abstractmethod
    def storage(cls, space: gym.Space[Any]) -> Storage:
        """Type and shape of one stored element."""

    @classmethod
    def measure(cls, space: gym.Space[Any], stored: np.ndarray) -> dict[str, Any]:
        """JSON-serialisable statistics of stored data `[N, *storage_shape]`; {} when the codec needs none."""
        return {}

    @classmethod
    @abstractmethod
    def encode(cls, space: gym.Space[Any], values: Any) -> np.ndarray:
        """Array `[N, ...]` or sequence of N elements to stored values `[N, *storage_shape]`.

        Raises:
            UserError: a value does not belong to the space.
        """

    @classmethod
    @abstractmethod
    def decode(cls, space: gym.Space[Any], stored: np.ndarray) -> list[Any]:
        """Stored values `[N, *storage_shape]` to N elements of the space."""

    def loss(self, parameters: Tensor, x: Tensor) -> Tensor:
        """Training loss `[*batch]`: the negative log-probability, or a better conditioned substitute."""
        return -self.log_prob(parameters, x)

    def _flat(self, x: Tensor) -> Tensor:
        """`[*batch, *storage_shape]` to `[*batch, size]`."""
        batch = x.shape[: x.dim() - len(self.storage_shape)]
        return x.reshape(*batch, int(np.prod(self.storage_shape)))

    def _as_stored(self, flat: Tensor) -> Tensor:
        """`[*batch, size]` to `[*batch, *storage_shape]` of the stored type."""
        return flat.reshape((*flat.shape[:-1], *self.storage_shape)).to(self._tensor_dtype)


def mlp(inputs: int, width: int) -> nn.Sequential:
    """Two-layer embedding `[*, inputs] -> [*, width]`."""
    return nn.Sequential(nn.Linear(inputs, width), nn.GELU(), nn.Linear(width, width))


def as_rows(space: gym.Space[Any], values: Any) -> np.ndarray:
    """Array or sequence of N elements to an array `[N, *space.shape]`.

    Raises:
        UserError: the elements do not have the shape of the space.
    """
    shape = tuple(space.shape or ())
    if not len(values):
        return np.zeros((0, *shape), space.dtype)
    try:
        rows = np.asarray(values)
    except ValueError:  # elements of different shapes
        rows = np.empty(0)
    if rows.shape != (len(values), *shape):
        raise UserError(f"values do not have the shape {shape} of {space}: record them as the space says")
    return rows


def elements(rows: np.ndarray | Sequence[Any]) -> list[Any]:
    """Rows as separate arrays, so that an element of shape () is an array too."""
    return [np.asarray(row) for row in rows]
