"""How long a world model is trained: seconds of the process's own work, so that other work does not count."""

from __future__ import annotations

import time


class Clock:
    """Counts the processor seconds of this process from its making on."""

    def __init__(self, seconds: float) -> None:
        self._seconds, self._started = max(seconds, 1e-9), time.process_time()

    @property
    def spent(self) -> float:
        """Seconds spent."""
        return time.process_time() - self._started

    @property
    def share(self) -> float:
        """Share of the seconds that is spent; 1 at the end."""
        return min(self.spent / self._seconds, 1.0)


def rate(share: float, cooldown: float = 0.4, floor: float = 0.1, warmup: float = 0.02) -> float:
    """Learning rate as a share of its peak: warm-up, constant, linear cool-down, as our trainer's, by time spent."""
    return min(1.0, (share + 1e-3) / warmup, floor + (1 - floor) * (1 - share) / cooldown)
