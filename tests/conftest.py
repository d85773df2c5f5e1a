"""Settings of all tests."""

import os

import torch

# The tests' networks are tiny: several threads would only wait for each other, badly so on a busy machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")
torch.set_num_threads(1)

# Each pytest worker keeps to a core of its own, and so do the commands and environment processes that it starts.
# Otherwise a main job in one worker takes threads on all cores, which then spin against the other worker's.
_worker = os.environ.get("PYTEST_XDIST_WORKER", "")
if _worker and hasattr(os, "sched_setaffinity"):
    _cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {_cores[int(_worker.removeprefix("gw")) % len(_cores)]})
