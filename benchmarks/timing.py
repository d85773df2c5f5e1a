"""Timing two ways of doing the same thing in one process, in turn, so that both meet the same load of the machine."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median

import torch


def interleave(first: Callable[[], object], second: Callable[[], object], rounds: int) -> tuple[float, float, float]:
    """Median seconds of each and the median of the round-by-round ratios first / second."""
    pairs = []
    for call in (first, second):  # warm up
        call()
    for _ in range(rounds):
        pairs.append((seconds_of(first), seconds_of(second)))
    return median(a for a, _ in pairs), median(b for _, b in pairs), median(a / b for a, b in pairs)


def seconds_of(call: Callable[[], object]) -> float:
    """How long a call takes."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Torch uses `count` threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def one_core() -> Iterator[None]:
    """Everything inside, of whichever library, runs on one core."""
    kept = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    with threads(1):
        if kept:
            os.sched_setaffinity(0, {max(kept)})
        try:
            yield
        finally:
            if kept:
                os.sched_setaffinity(0, kept)
