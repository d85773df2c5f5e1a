"""Camera images: Box of at least 16x16 pixels, uint8 or float in [0, 1], large ones also in [0, 255]."""

from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nextlat_rl.spaces.codec import LARGEST_VECTOR, SMALLEST_IMAGE, Codec, Role, Storage, as_rows, elements
from nextlat_rl.spaces.distributions import full_precision, gaussian_kl, gaussian_log_prob, gaussian_sample, soft_clamp

_EMBED_SIZE = 64
_PREDICT_SIZE = 32
_LOSS_PARTS = 100
_LOG_STD = (-5.0, 2.0)
_FIRST_LOG_STD = -1.5  # about the spread of pixels in [0, 1]


class ImageCodec(Codec):
    """Image `[H, W, C]`, `[C, H, W]` or `[H, W]`; the axis with the fewer entries is the channels.

    What is predicted is the image shrunk to 32x32 (mean over areas) and scaled to [0, 1], a Gaussian per pixel and
    channel with one learned log-std for all. The log-std travels in the parameters, `P = C * 32 * 32 + 1`, so that
    parameters of different models can be compared. Stored as it is (float64 as float32).

    What is drawn is clipped to [0, 1] and, for uint8, rounded; the density is that of the pixels before.
    """

    space_type: ClassVar[type[gym.Space[Any]]] = gym.spaces.Box
    roles: ClassVar[tuple[Role, ...]] = ("observation",)
    priority: ClassVar[int] = 1

    def __init__(self, space: gym.Space[Any], width: int, statistics: dict[str, Any], features: int = 0) -> None:
        super().__init__(space, width, statistics, features)
        self._axis = channel_axis(self.storage_shape)
        pixels = [size for axis, size in enumerate(self.storage_shape) if axis != self._axis]
        channels = 1 if self._axis is None else self.storage_shape[self._axis]
        assert isinstance(space, gym.spaces.Box)
        self._scale = 255.0 if space.high.max() > 1 else 1.0
        self._size = (pixels[0], pixels[1])
        self._embed_size = (min(pixels[0], _EMBED_SIZE), min(pixels[1], _EMBED_SIZE))
        self._target_shape = (channels, _PREDICT_SIZE, _PREDICT_SIZE)
        self.num_uniforms = channels * _PREDICT_SIZE**2
        self.encoder = _encoder(channels, self._embed_size, width)
        self.decoder = _decoder(channels, width)
        self.log_std = nn.Parameter(torch.tensor([_FIRST_LOG_STD]))

    @classmethod
    def handles(cls, space: gym.Space[Any], role: Role) -> bool:
        """Boxes of uint8, or of floats in [0, 1], with two or three axes and at least 16x16 pixels.

        With three axes and more numbers than a vector may have, floats up to 255 are pixels as well.
        """
        if not (super().handles(space, role) and isinstance(space, gym.spaces.Box) and len(space.shape) in (2, 3)):
            return False
        axis = channel_axis(space.shape)
        pixels = [size for i, size in enumerate(space.shape) if i != axis]
        brightest = 255 if len(space.shape) == 3 and np.prod(space.shape) > LARGEST_VECTOR else 1
        unit = space.dtype.kind == "f" and bool((space.low >= 0).all() and (space.high <= brightest).all())
        return min(pixels) >= SMALLEST_IMAGE and (space.dtype == np.uint8 or unit)

    @classmethod
    def storage(cls, space: gym.Space[Any]) -> Storage:
        """Uint8 or float32 in the shape of the space."""
        dtype = np.uint8 if space.dtype == np.uint8 else np.float32
        return np.dtype(dtype), tuple(space.shape or ())

    @classmethod
    def encode(cls, space: gym.Space[Any], values: Any) -> np.ndarray:
        """Images as they are."""
        return as_rows(space, values).astype(cls.storage(space)[0])

    @classmethod
    def decode(cls, space: gym.Space[Any], stored: np.ndarray) -> list[Any]:
        """Images in the type of the space, clipped to its bounds."""
        assert isinstance(space, gym.spaces.Box)
        return elements(np.clip(stored.astype(space.dtype), space.low, space.high))

    def embed(self, x: Tensor) -> Tensor:
        """Small strided convolutional net on the image shrunk to at most 64x64."""
        batch = x.shape[: x.dim() - len(self.storage_shape)]
        return self.encoder(self._shrunk(x, self._embed_size)).view(*batch, self.width)

    def head(self, features: Tensor) -> Tensor:
        """Pixel means of the 32x32 image and the log-std."""
        means = self.decoder(features.reshape(-1, self.width)).flatten(1).view(*features.shape[:-1], self.num_uniforms)
        return torch.cat([full_precision(means), self.log_std.expand(*means.shape[:-1], 1)], dim=-1)

    def log_prob(self, parameters: Tensor, x: Tensor) -> Tensor:
        """Log-density of the 32x32 image, summed (not averaged) over its `C * 32 * 32` numbers.

        Its scale is hundreds of nats, so weigh it in a loss.
        """
        target = (
            self._shrunk(x, (_PREDICT_SIZE, _PREDICT_SIZE)).flatten(1).view(*parameters.shape[:-1], self.num_uniforms)
        )
        return gaussian_log_prob(target, *self._split(parameters)).sum(-1)

    def loss(self, parameters: Tensor, x: Tensor) -> Tensor:
        """The negative log-density as if the image had 100 numbers, so that it weighs like other observations."""
        return -self.log_prob(parameters, x) * (_LOSS_PARTS / self.num_uniforms)

    def mode(self, parameters: Tensor) -> Tensor:
        """Mean image, enlarged to the original size (nearest)."""
        return self._enlarged(self._split(parameters)[0])

    def sample(self, parameters: Tensor, uniform: Tensor) -> Tensor:
        """Sampled 32x32 image, enlarged to the original size (nearest)."""
        return self._enlarged(gaussian_sample(*self._split(parameters), uniform))

    def kl(self, p: Tensor, q: Tensor) -> Tensor:
        """Sum of the divergences of the pixels."""
        return gaussian_kl(*self._split(p), *self._split(q)).sum(-1)

    def _split(self, parameters: Tensor) -> tuple[Tensor, Tensor]:
        """Means `[*batch, C * 32 * 32]` and log-std `[*batch, 1]`."""
        return parameters[..., :-1], soft_clamp(parameters[..., -1:], *_LOG_STD)

    def _shrunk(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        """Stored images to floats in [0, 1], `[N, C, *size]` with the batch flattened."""
        images = x.reshape(-1, *self.storage_shape)
        images = images.unsqueeze(1) if self._axis is None else images.movedim(1 + self._axis, 1)
        return F.interpolate(images.to(self.log_std.dtype), size=size, mode="area") / self._scale

    def _enlarged(self, flat: Tensor) -> Tensor:
        """Predicted `[*batch, C * 32 * 32]` to stored images."""
        small = (flat.clamp(0.0, 1.0) * self._scale).reshape(-1, *self._target_shape)
        images = F.interpolate(small, size=self._size, mode="nearest")
        images = images.squeeze(1) if self._axis is None else images.movedim(1, 1 + self._axis)
        images = images.round() if self.storage_dtype == np.uint8 else images
        return images.reshape(*flat.shape[:-1], *self.storage_shape).to(self._tensor_dtype)


CODECS = (ImageCodec,)


def channel_axis(shape: tuple[int, ...]) -> int | None:
    """Axis of the channels of an image of this shape; None for `[H, W]`."""
    if len(shape) == 2:
        return None
    return 2 if shape[2] <= shape[0] else 0


def _encoder(channels: int, size: tuple[int, int], width: int) -> nn.Sequential:
    """`[N, C, *size] -> [N, width]`."""
    layers: list[nn.Module] = []
    for inputs, outputs in ((channels, 16), (16, 32), (32, 64)):
        layers += [nn.Conv2d(inputs, outputs, 3, stride=2, padding=1), nn.GELU()]
    cells = -(-size[0] // 8) * -(-size[1] // 8)
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(64 * cells, width))


def _decoder(channels: int, width: int) -> nn.Sequential:
    """`[N, width] -> [N, C, 32, 32]`."""
    layers: list[nn.Module] = [nn.Linear(width, 64 * 4 * 4), nn.GELU(), nn.Unflatten(1, (64, 4, 4))]
    layers += [nn.ConvTranspose2d(64, 32, 4, stride=2, padding=1), nn.GELU()]
    layers += [nn.ConvTranspose2d(32, 16, 4, stride=2, padding=1), nn.GELU()]
    return nn.Sequential(*layers, nn.ConvTranspose2d(16, channels, 4, stride=2, padding=1))
