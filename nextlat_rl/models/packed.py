"""Linear layers with a second copy of their weights, laid out for products of a few rows.

A pass over one step, or over a draft of a few, takes its time in products of a handful of rows with weights that do not
fit the processor's caches. The usual product rearranges such weights at every call; oneDNN takes them rearranged once.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FEW_ROWS = 32
_LARGE = 256 * 256  # weights; smaller ones stay in the caches, and looking oneDNN's product up costs more than it gains


def _product(x: Tensor, packed: Tensor, bias: Tensor | None) -> Tensor:
    # What torch.compile calls; there is no public name for it.
    return torch.ops.mkldnn._linear_pointwise(x, packed, bias, "none", [], "")


@cache
def _scripted() -> Callable[[Tensor, Tensor, Tensor | None], Tensor]:
    """`_product`, in a form that a trace can call."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # see tracing.py
        return torch.jit.script(_product)


class PackableLinear(nn.Linear):
    """`nn.Linear` that can keep packed weights beside its own, for products of up to `FEW_ROWS` rows."""

    packed: Tensor | None

    def __init__(self, inputs: int, outputs: int, bias: bool = True) -> None:
        super().__init__(inputs, outputs, bias)
        self.register_buffer("packed", None, persistent=False)  # a trace knows buffers, and no other opaque tensors

    def forward(self, x: Tensor) -> Tensor:
        """`[*, in] -> [*, out]`."""
        if self.packed is None or torch.is_grad_enabled() or x.numel() > FEW_ROWS * self.in_features:
            return F.linear(x, self.weight, self.bias)
        return _scripted()(x, self.packed, self.bias)

    def pack(self) -> None:
        """Copy the weights as they are now."""
        self.packed = torch.ops.mkldnn._reorder_linear_weight(self.weight.detach(), FEW_ROWS)

    def _apply(self, fn: Any, recurse: bool = True) -> PackableLinear:
        """Whatever moves the weights to another device or precision leaves the copy behind."""
        self.packed = None
        return super()._apply(fn, recurse)

    def __getstate__(self) -> dict[str, Any]:
        """Without the copy, which cannot be copied itself."""
        return self.__dict__ | {"_buffers": {"packed": None}}


class Packing:
    """The large layers of a module, packed, and whether their weights are still the ones that were."""

    def __init__(self, module: nn.Module) -> None:
        layers = (layer for layer in module.modules() if isinstance(layer, PackableLinear))
        self.layers = [layer for layer in layers if layer.weight.numel() >= _LARGE]
        for layer in self.layers:
            layer.pack()
        self._made_of = self._versions()

    @staticmethod
    def possible(weight: Tensor) -> bool:
        """Whether this device, precision and build of torch can."""
        plain = weight.device.type == "cpu" and weight.dtype == torch.float32
        return plain and torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")

    def stale(self) -> bool:
        """Whether a weight has been changed or moved since."""
        return self._versions() != self._made_of

    def undo(self) -> None:
        """Forget the copies."""
        for layer in self.layers:
            layer.packed = None

    def _versions(self) -> int:
        return sum(cast("int", layer.weight._version) - (layer.packed is None) for layer in self.layers)
