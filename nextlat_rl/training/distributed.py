"""Data-parallel training under torchrun: each process reads its share of a batch, and the gradients are averaged.

Every process builds the same model from the same seed and takes the same steps, so that all of them hold the same
weights at any time. The first one, `is_main_process()`, does what is done once: gathering, scoring, printing, writing.
Outside torchrun there is one process, and nothing here does anything.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

T = TypeVar("T")

_PATIENCE = timedelta(hours=12)  # the others wait while the first process gathers or scores


def launched() -> bool:
    """Whether torchrun started this process."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def init() -> None:
    """Meet the other processes that torchrun started, each on a GPU of its own where there are any."""
    if not launched() or dist.is_initialized():
        return
    backend = "gloo"
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        backend = "cpu:gloo,cuda:nccl"
    dist.init_process_group(backend, timeout=_PATIENCE)


def destroy() -> None:
    """Part from the others, once all have come so far."""
    if dist.is_initialized():
        dist.barrier()
        dist.destroy_process_group()


def is_main_process() -> bool:
    """Whether this is the first process."""
    return rank_and_world_size()[0] == 0


def rank_and_world_size() -> tuple[int, int]:
    """Which process this is, and of how many."""
    return (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)


def broadcast_from_main(make: Callable[[], T]) -> T:
    """What `make()` returns in the first process, in all of them."""
    if not dist.is_initialized():
        return make()
    made: list[T | None] = [make() if is_main_process() else None]
    dist.broadcast_object_list(made, src=0, device=torch.device("cpu"))
    return made[0]  # type: ignore[return-value]


def average_gradients(model: nn.Module) -> None:
    """Replace each gradient by its mean over the processes."""
    if not dist.is_initialized():
        return
    gradients: list[Tensor] = [p.grad for p in model.parameters() if p.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])  # one message instead of hundreds
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    for gradient, mean in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(mean.view_as(gradient))
