"""Where tensors live."""

from __future__ import annotations

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
        raise UserError(f"device '{name}' is not available here ({str(error).splitlines()[0]}); use device=auto") from None
    return device
