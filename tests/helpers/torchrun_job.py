"""The main job under torchrun, in which a process fails on purpose: `FAULT=<rank> <step> nan|kill`."""

from __future__ import annotations

import os
import signal
from typing import Any

import torch
from torch import Tensor

from nextlat_rl.train import main
from nextlat_rl.training.trainer import Trainer

losses = Trainer._losses
left = [os.environ["FAULT"].split()]  # once


def failing(self: Trainer, *share: Any) -> dict[str, Tensor]:
    found = losses(self, *share)
    if not left or [os.environ["RANK"], str(self.step)] != left[0][:2]:
        return found
    if left.pop()[2] == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    return {name: torch.nan * value for name, value in found.items()}


if __name__ == "__main__":  # not in the workers that gather
    Trainer._losses = failing  # type: ignore[method-assign]
    main()
