"""Devices, cores and threads."""

import os

import torch

from nextlat_rl.errors import UserError


def pick_device(name: str) -> torch.device:
    """The device of this name; `auto` is a GPU where there is one, else the CPU.

    Raises:
        UserError: if the device does not exist here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UserError(
            f"device '{name}' is not available here ({str(error).splitlines()[0]}); use device=auto"
        ) from None
    return device


def available_cores() -> int:
    """Number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def set_threads(threads: int) -> None:
    """Set torch's CPU threads; 0 divides the cores among torchrun's processes on this machine, at most 8 each."""
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    torch.set_num_threads(threads or min(max(available_cores() // processes, 1), 8))
