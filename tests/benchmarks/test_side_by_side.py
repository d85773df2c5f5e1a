"""Jobs in processes of their own."""

from __future__ import annotations

import multiprocessing
import os
import time

import pytest
import torch
from rich.console import Console

from benchmarks.side_by_side import side_by_side
from nextlat_rl.errors import UserError


def job(number: int, console: Console) -> list[tuple[int, int, int]]:
    """Its number, where it ran, and with how many threads; number 7 fails."""
    if number == 7:
        raise UserError("seven is refused")
    assert not console.is_terminal
    return [(number, os.getpid(), torch.get_num_threads())] * 2


def test_all_jobs_are_done_once_elsewhere_with_a_thread_each() -> None:
    rows = list(side_by_side(job, [(number,) for number in range(4)], 2))
    assert sorted(number for number, _, _ in rows) == [0, 0, 1, 1, 2, 2, 3, 3]
    assert os.getpid() not in {process for _, process, _ in rows}
    assert {threads for _, _, threads in rows} == {1}


def nap(seconds: float, console: Console) -> list[float]:
    time.sleep(seconds)
    return [seconds]


def test_who_stops_early_waits_for_nobody() -> None:
    others = set(multiprocessing.active_children())
    results = side_by_side(nap, [(0.0,), (600.0,), (600.0,)], 2)
    assert next(results) == 0.0
    started = time.monotonic()
    results.close()  # type: ignore[attr-defined]
    assert time.monotonic() - started < 60
    assert set(multiprocessing.active_children()) <= others


def test_what_a_job_raises_is_raised_here() -> None:
    with pytest.raises(UserError, match="seven is refused"):
        list(side_by_side(job, [(7,), (1,)], 2))
