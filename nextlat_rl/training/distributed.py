"""Data-parallel training under torchrun: each process reads its part of a batch, and the gradients are averaged.

All processes build the same model from the same seed and take the same steps, so they hold the same weights at any
time. The main process alone collects data, evaluates, prints and writes. Outside torchrun these functions do nothing.
"""

import os
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

T = TypeVar("T")

_TIMEOUT = timedelta(hours=12)  # the others wait while the main process collects or evaluates


def launched() -> bool:
    """Whether torchrun started this process."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def init() -> None:
    """Join the process group of torchrun, if it started this process; each takes its own GPU where there are any."""
    if not launched() or dist.is_initialized():
        return
    backend = "gloo"
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        backend = "cpu:gloo,cuda:nccl"
    dist.init_process_group(backend, timeout=_TIMEOUT)


def destroy() -> None:
    """Leave the process group once all processes have come here."""
    if dist.is_initialized():
        dist.barrier()
        dist.destroy_process_group()


def is_main_process() -> bool:
    """Whether this process has rank 0."""
    return rank_and_world_size()[0] == 0


def rank_and_world_size() -> tuple[int, int]:
    """Rank of this process, and the number of processes."""
    return (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)


def broadcast_from_main(make: Callable[[], T]) -> T:
    """Call `make()` in the main process and return its result in all processes."""
    if not dist.is_initialized():
        return make()
    made: list[T | None] = [make() if is_main_process() else None]
    dist.broadcast_object_list(made, src=0, device=torch.device("cpu"))
    return made[0]  # type: ignore[return-value]


def average_gradients(model: nn.Module) -> None:
    """Replace each gradient by its mean over all processes."""
    if not dist.is_initialized():
        return
    gradients: list[Tensor] = [p.grad for p in model.parameters() if p.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])  # one message instead of hundreds
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    for gradient, mean in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(mean.view_as(gradient))
