"""Small fixed computations without Python's share of their cost: traced for each shape in use, then replayed.

At the batch sizes of acting and planning most of a small network's time goes into Python and into looking kernels up.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

_WARM_UP = 2  # a trace observes its first call and is optimised in its second
_EAGER = 3  # calls: a trace takes as long as some hundred of them gain, and many a shape is met only once or twice


class Traced:
    """A function of tensors, to a tensor or a tuple of them, on weights that may change; gradients are not recorded.

    Args:
        model: the module whose weights `function` uses.
        function: branches on nothing but the shapes, types and device of its arguments; doing it twice changes nothing.
        eager: calls with a shape before it is traced.

    Attributes:
        slow: calls so far, of anyone's, that were no replays: whoever measures time leaves them out.

    """

    slow = 0

    def __init__(self, model: nn.Module, function: Callable[..., Any], eager: int = _EAGER) -> None:
        self._module, self._eager = _Function(model, function), eager
        self._traces: dict[tuple[object, ...], Callable[..., Any]] = {}
        self._calls: dict[tuple[object, ...], int] = {}  # with shapes that have no trace yet

    @torch.no_grad()
    def __call__(self, *arguments: Tensor) -> Any:
        """What the function returns."""
        key = tuple((a.shape, a.dtype, a.device) for a in arguments)
        trace = self._traces.get(key)
        if trace is None:
            Traced.slow += 1
            calls = self._calls[key] = self._calls.get(key, 0) + 1
            if calls <= self._eager:
                return self._module(*arguments)
            trace = self._traces[key] = self._trace(arguments)
        return trace(*arguments)

    def __getstate__(self) -> dict[str, Any]:
        """Without the traces: they cannot be copied or stored, and are quickly made again."""
        return self.__dict__ | {"_traces": {}, "_calls": {}}

    def _trace(self, arguments: tuple[Tensor, ...]) -> Callable[..., Any]:
        with warnings.catch_warnings():
            # TorchScript is deprecated in favour of torch.compile, which needs a C++ compiler and a minute. The
            # tracer's own warnings say that it took sizes for constants; here a trace serves one shape only.
            warnings.simplefilter("ignore", DeprecationWarning)
            warnings.simplefilter("ignore", torch.jit.TracerWarning)
            trace = torch.jit.trace(self._module, arguments, check_trace=False)
            for _ in range(_WARM_UP):
                trace(*arguments)
        return trace


class _Function(nn.Module):
    """A function in the form that the tracer wants: a module that owns the weights."""

    def __init__(self, model: nn.Module, function: Callable[..., Any]) -> None:
        super().__init__()
        self.model, self._function = model, function
        self.train(model.training)

    def forward(self, *arguments: Tensor) -> Any:
        return self._function(*arguments)


def padded(rows: Tensor) -> Tensor:
    """`rows: [R]` and repetitions of the first, up to a power of two: a few shapes serve all numbers of rows."""
    size = 1 << (len(rows) - 1).bit_length()
    return torch.cat((rows, rows[:1].expand(size - len(rows))))
