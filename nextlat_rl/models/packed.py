"""Linear layers with a second copy of their weights, laid out for products with few rows.

A pass over one step or a short draft spends its time in products of a few rows with weights that do not fit the CPU's
caches. The usual product rearranges the weights at every call; oneDNN accepts weights that were rearranged once.
"""

import warnings
from collections.abc import Callable
from functools import cache
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FEW_ROWS = 32
_LARGE = 256 * 256  # weights; smaller layers stay in the caches, and the call of oneDNN costs more than it saves


def _product(x: Tensor, packed: Tensor, bias: Tensor | None) -> Tensor:
    # The operator that torch.compile uses; it has no public name.
    return torch.ops.mkldnn._linear_pointwise(x, packed, bias, "none", [], "")


@cache
def _scripted() -> Callable[[Tensor, Tensor, Tensor | None], Tensor]:
    """`_product`, in a form that a trace can call."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # see tracing.py
        return torch.jit.script(_product)


class PackableLinear(nn.Linear):
    """`nn.Linear` that can hold packed weights beside its own, for inputs of up to `FEW_ROWS` rows."""

    packed: Tensor | None

    def __init__(self, inputs: int, outputs: int, bias: bool = True) -> None:
        super().__init__(inputs, outputs, bias)
        self.register_buffer("packed", None, persistent=False)  # a trace accepts opaque tensors only as buffers

    def forward(self, x: Tensor) -> Tensor:
        """`[*, in] -> [*, out]`."""
        if self.packed is None or torch.is_grad_enabled() or x.numel() > FEW_ROWS * self.in_features:
            return F.linear(x, self.weight, self.bias)
        return _scripted()(x, self.packed, self.bias)

    def pack(self) -> None:
        """Make the packed copy of the current weights."""
        self.packed = torch.ops.mkldnn._reorder_linear_weight(self.weight.detach(), FEW_ROWS)

    def _apply(self, fn: Any, recurse: bool = True) -> "PackableLinear":
        """Moving the weights to another device or precision drops the copy."""
        self.packed = None
        return super()._apply(fn, recurse)

    def __getstate__(self) -> dict[str, Any]:
        """Without the packed copy, which cannot be copied itself."""
        return self.__dict__ | {"_buffers": {"packed": None}}


class Packing:
    """The packed large layers of a module, and a record of the weights that were packed."""

    def __init__(self, module: nn.Module) -> None:
        layers = (layer for layer in module.modules() if isinstance(layer, PackableLinear))
        self.layers = [layer for layer in layers if layer.weight.numel() >= _LARGE]
        for layer in self.layers:
            layer.pack()
        self._packed_versions = self._versions()

    @staticmethod
    def possible(weight: Tensor) -> bool:
        """Whether this device, precision and build of torch support packing."""
        plain = weight.device.type == "cpu" and weight.dtype == torch.float32
        return plain and torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")

    def stale(self) -> bool:
        """Whether a weight has been changed or moved since packing."""
        return self._versions() != self._packed_versions

    def undo(self) -> None:
        """Drop the copies."""
        for layer in self.layers:
            layer.packed = None

    def _versions(self) -> int:
        return sum(cast("int", layer.weight._version) - (layer.packed is None) for layer in self.layers)
