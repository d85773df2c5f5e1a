"""Data-parallel training under torchrun: each process trains on its shares of a batch, and the gradients are averaged.

All processes hold the same weights at any time and take the same steps. The main process alone collects data,
evaluates, prints and writes. Outside torchrun these functions do nothing.
"""

import atexit
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from nextlat_rl.errors import UserError
from nextlat_rl.torchrun import launched
from nextlat_rl.training.config import TrainerConfig

T = TypeVar("T")

_TIMEOUT = timedelta(days=30)  # the others wait while the main process collects or evaluates
_LEFT, _SAID = "nextlat_rl/left", "nextlat_rl/said"  # in the store of all processes


def init() -> None:
    """Join the process group of torchrun, if it started this process; each takes its own GPU where there are any."""
    if not launched() or dist.is_initialized():
        return
    backend = "gloo"
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]) % torch.cuda.device_count())
        backend = "cpu:gloo,cuda:nccl"
    dist.init_process_group(backend, timeout=_TIMEOUT)
    if is_main_process():
        atexit.register(_leave)


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


def any_process(flag: bool) -> bool:
    """Whether `flag` is true in some process, in all of them."""
    if not dist.is_initialized():
        return flag
    flags = torch.tensor(float(flag))
    dist.all_reduce(flags)
    return bool(flags)


def mean_over_processes(values: dict[str, Tensor]) -> dict[str, Tensor]:
    """Scalars by name, each the mean of what the processes have."""
    if not dist.is_initialized():
        return values
    flat = torch.stack([*values.values()])
    dist.all_reduce(flat)
    return dict(zip(values, flat / dist.get_world_size(), strict=True))


def check_device(device: torch.device) -> None:
    """Require a GPU of its own for each process that torchrun started here, unless they use the CPU.

    Raises:
        UserError: there are fewer, or the device is one for all.
    """
    processes = int(os.environ["LOCAL_WORLD_SIZE"]) if launched() else 1
    if device.type == "cuda" and processes > 1 and (device.index is not None or processes > torch.cuda.device_count()):
        raise UserError(
            f"device={device} does not give each of {processes} processes a GPU of its own (there are "
            f"{torch.cuda.device_count()}): use device=auto and as many processes, or device=cpu"
        )


def share_count(settings: TrainerConfig) -> int:
    """Into how many shares the windows of a batch are divided: `microbatches`, by default one a process.

    Raises:
        UserError: the windows cannot be divided into so many shares, or these among the processes.
    """
    processes = rank_and_world_size()[1]
    count = settings.microbatches or processes
    if count % processes:
        raise UserError(
            f"trainer.microbatches={count} shares of a batch cannot be divided among {processes} processes: use a "
            f"multiple of {processes}, or start another number of processes"
        )
    if settings.batch_size % count:
        raise UserError(
            f"trainer.batch_size={settings.batch_size} windows cannot be divided into {count} equal shares "
            f"(trainer.microbatches, by default one a process): use a multiple of {count}"
        )
    return count


class _Losses(nn.Module):
    """What DistributedDataParallel wraps: weights, and a forward pass that computes losses with them."""

    def __init__(self, weights: Iterable[nn.Parameter]) -> None:
        super().__init__()
        self.weights = nn.ParameterList(weights)
        # A step may leave some weights out (layer dropout), and DDP warns where none is.
        self.left_out = nn.Parameter(torch.zeros((), device=self.weights[0].device))

    def forward(self, losses: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
        return losses()


def data_parallel(weights: Iterable[nn.Parameter]) -> nn.Module:
    """A module that calls the function it gets: losses by name, whose gradients DDP averages over the processes."""
    module = _Losses(weights)
    return DistributedDataParallel(module, find_unused_parameters=True) if dist.is_initialized() else module


def accumulating(module: nn.Module) -> AbstractContextManager[None]:
    """Context in which gradients of a `data_parallel` module are added up in each process by itself."""
    return module.no_sync() if isinstance(module, DistributedDataParallel) else nullcontext()


def _leave() -> None:
    """Let the others, which wait for the main process, know that it ends in order."""
    if dist.is_initialized():
        with suppress(dist.DistError):  # torchrun, which keeps the store, may be dead
            dist.distributed_c10d._get_default_store().set(_LEFT, "")
        dist.destroy_process_group()


@contextmanager
def all_at_work(remedy: str) -> Iterator[None]:
    """End together with a process that dies inside the block.

    Args:
        remedy: the end of the message.

    Raises:
        UserError: one of the others has died, and this process is the first to say so.
        SystemExit: the main process has left in order, or another process has said it.
    """
    try:
        yield
    except RuntimeError as error:
        if not any(word in str(error) for word in ("gloo", "remote process")):  # Gloo's and NCCL's words for it
            raise
        store = dist.distributed_c10d._get_default_store()
        if store.check([_LEFT]):
            raise SystemExit(0) from None
        if store.add(_SAID, 1) > 1:
            raise SystemExit(1) from None
        raise UserError(f"another process of torchrun has died: {remedy}") from error
