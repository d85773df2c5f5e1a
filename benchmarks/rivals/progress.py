"""Progress of Stable-Baselines3 training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback


class Progress(BaseCallback):
    """Tells `update` how many steps are done, and the mean return of recent episodes."""

    def __init__(self, update: Callable[[int, str], None]) -> None:
        super().__init__()
        self._update = update

    def _on_step(self) -> bool:
        recent: Any = self.model.ep_info_buffer or []
        mean = f"return {np.mean([info['r'] for info in recent]):.3g}" if recent else ""
        self._update(self.num_timesteps, mean)
        return True
