"""Writing safetensors, and reading those of anybody: shapes are compared before anything of their size is allocated."""

import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.overrides import TorchFunctionMode

from nextlat_rl.files import check_seal, require_regular

Header = dict[str, tuple[tuple[int, ...], str]]
"""Shape and safetensors' name of the type, by the tensors' names."""

_TYPES = {torch.float32: "F32", torch.float64: "F64", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64"}
_FACTORIES = (torch.empty, torch.zeros, torch.ones, torch.full, torch.randn, torch.rand)
_HEADROOM = 2**24  # bytes: buffers that are not saved, and what is drawn to initialise
_SMALLEST = 4096  # bytes that a tensor counts at least: a great many small ones take time


def read_header(file: Path) -> Header:
    """What a file says that it holds; the tensors are not read.

    Raises:
        OSError, SafetensorError: it cannot be read.
        ValueError: it is no regular file, or holds more than fits into this machine's memory.
    """
    require_regular(file)
    with safe_open(file, framework="pt") as content:
        names = content.keys()
        slices = {name: content.get_slice(name) for name in names}
        header = {name: (tuple(part.get_shape()), part.get_dtype()) for name, part in slices.items()}
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if 4 * _numbers(header) > memory:
        raise ValueError(f"it holds {_numbers(header):,} numbers, more than this machine's memory")
    return header


def _numbers(header: Header) -> int:
    return sum(math.prod(shape) for shape, _ in header.values())


class Allowance(TorchFunctionMode):
    """Building a network inside this context must not take much more memory than the weights of `header` do.

    Raises:
        ValueError: in the place of the tensor that would be too much.
    """

    def __init__(self, header: Header) -> None:
        super().__init__()
        # A weight is counted twice, of 8 bytes each, as it may be drawn first and scaled then.
        self.left = _HEADROOM + 16 * _numbers(header) + 2 * _SMALLEST * len(header)

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Count a new tensor before it is made."""
        if func in _FACTORIES:
            sizes = args[0] if args and isinstance(args[0], tuple | list) else args
            self.left -= max(_SMALLEST, 8 * math.prod(sizes))
            if self.left < 0:
                raise ValueError("its config describes a larger network than its weights are for")
        return func(*args, **(kwargs or {}))


def check_header(header: Mapping[str, tuple[tuple[int, ...], str]], expected: Mapping[str, Tensor]) -> None:
    """Require the names, shapes and types of `expected`.

    Raises:
        ValueError: naming the first tensor that is missing, too much or another.
    """
    for name in sorted(header.keys() ^ expected.keys()):
        raise ValueError(f"{name} is {'missing' if name in expected else 'too much'}")
    for name, tensor in expected.items():
        wanted = (tuple(tensor.shape), _TYPES[tensor.dtype])
        if tuple(header[name]) != wanted:
            raise ValueError(f"{name} is {header[name]}, where {wanted} belongs")


def write_tensors(file: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors, of whatever layout in memory.

    Raises:
        OSError: the file cannot be written.
    """
    try:
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, file)
    except SafetensorError as error:  # it has the system's message, but no number
        raise OSError(str(error)) from error


def read_any(file: Path, sealed: object) -> dict[str, Tensor]:
    """The tensors of a file, whatever they are.

    Raises:
        OSError, SafetensorError: it cannot be read.
        ValueError: it is not what was written.
    """
    check_seal(file, sealed)
    return load_file(file)


def read_tensors(file: Path, sealed: object | None) -> dict[str, Tensor]:
    """The tensors of a file whose header was checked.

    Args:
        file: safetensors.
        sealed: the manifest's entry; None where an older version wrote none.

    Raises:
        OSError, SafetensorError: it cannot be read.
        ValueError: it is not what was written, or holds a number that is not finite.
    """
    tensors = load_file(file) if sealed is None else read_any(file, sealed)
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise ValueError(f"{name} is not finite")
    return tensors
