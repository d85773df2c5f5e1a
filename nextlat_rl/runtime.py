"""Where tensors live."""

from __future__ import annotations

import os

import torch

from nextlat_rl.errors import UserError


def pick_device(name: str) -> torch.device:
    """`auto` takes a GPU where there is one.

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
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def set_threads(threads: int) -> None:
    """Torch threads on the CPU; 0 takes this process' share of the cores (torchrun starts several), at most 8."""
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    torch.set_num_threads(threads or min(max(available_cores() // processes, 1), 8))
