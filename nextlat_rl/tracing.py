"""Traced functions: small computations without Python's overhead.

At the batch sizes of acting and planning a small network spends most of its time in Python and in dispatching kernels.
"""

import warnings
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

_WARM_UP = 2  # calls: a trace profiles the first and is optimised in the second
_EAGER = 3  # calls: a trace costs what about a hundred calls save, and many shapes occur only once or twice


Function = TypeVar("Function", bound=Callable[..., Any])


def lasting(function: Function) -> Function:
    """Without gradients, but not in torch's inference mode, whose tensors could not be written to in place later."""
    return torch.inference_mode(False)(torch.no_grad()(function))


class Traced:
    """A function of tensors, traced once for each shape and then replayed; gradients are not recorded.

    It returns a tensor or a tuple of them. The weights that it uses may change.

    Args:
        model: the module whose weights `function` uses.
        function: may branch only on shapes, types and device of its arguments; repeating a call changes nothing.
        eager: calls with a shape before it is traced.

    Attributes:
        slow: number of calls of all instances so far that were not replays; time measurements leave them out.
    """

    slow = 0

    def __init__(self, model: nn.Module, function: Callable[..., Any], eager: int = _EAGER) -> None:
        self._module, self._eager = _Function(model, function), eager
        self._traces: dict[tuple[object, ...], Callable[..., Any]] = {}
        self._calls: dict[tuple[object, ...], int] = {}  # for shapes without a trace

    @torch.no_grad()
    def __call__(self, *arguments: Tensor) -> Any:
        """Call the function."""
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
        """Without the traces, which cannot be copied or stored."""
        return self.__dict__ | {"_traces": {}, "_calls": {}}

    @lasting
    def _trace(self, arguments: tuple[Tensor, ...]) -> Callable[..., Any]:
        with warnings.catch_warnings():
            # TorchScript is deprecated in favour of torch.compile, which needs a C++ compiler and a minute. The tracer
            # warns that it takes sizes as constants; here a trace serves one shape only.
            warnings.simplefilter("ignore", DeprecationWarning)
            warnings.simplefilter("ignore", torch.jit.TracerWarning)
            trace = torch.jit.trace(self._module, arguments, check_trace=False)
            for _ in range(_WARM_UP):
                trace(*arguments)
        return trace


class _Function(nn.Module):
    """A function as a module that owns the weights, as the tracer needs it."""

    def __init__(self, model: nn.Module, function: Callable[..., Any]) -> None:
        super().__init__()
        self.model, self._function = model, function
        self.train(model.training)

    def forward(self, *arguments: Tensor) -> Any:
        return self._function(*arguments)


def padded(rows: Tensor) -> Tensor:
    """`rows: [R]`, padded with its first entry to a power of two, so that few shapes occur."""
    size = 1 << (len(rows) - 1).bit_length()
    return torch.cat((rows, rows[:1].expand(size - len(rows))))
