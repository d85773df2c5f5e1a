"""Peak memory of a process and its children."""

from __future__ import annotations

import threading
import time
from pathlib import Path


class PeakMemory:
    """Largest memory of a process and its children together, sampled; Linux only, elsewhere 0."""

    def __init__(self, pid: int) -> None:
        self.pid, self.peak, self.running = pid, 0.0, True
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()

    def stop(self) -> float:
        """Stop watching; the peak in MB."""
        self.running = False
        self.thread.join()
        return self.peak

    def _watch(self) -> None:
        while self.running:
            self.peak = max(self.peak, sum(_proportional_mb(pid) for pid in _family(self.pid)))
            time.sleep(0.25)


def _family(pid: int) -> list[int]:
    """The process and all its descendants."""
    family = [pid]
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = file.read_text().split()
        except OSError:  # it has just ended
            continue
        for child in children:
            family += _family(int(child))
    return family


def _proportional_mb(pid: int) -> float:
    """Memory of a process in MB; pages that it shares with others are counted in part."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:  # it has just ended, or this is not Linux
        return 0.0
    line = next((line for line in text.splitlines() if line.startswith("Pss:")), "Pss: 0 kB")
    return float(line.split()[1]) / 1024
