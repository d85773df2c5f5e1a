"""Jobs in processes of their own, a core each."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import Any, TypeVar

from nextlat_rl.console import make_log
from nextlat_rl.runtime import set_threads

T = TypeVar("T")


def side_by_side(work: Callable[..., list[T]], jobs: Sequence[tuple[Any, ...]], processes: int) -> Iterator[T]:
    """What `work(*job, console)` returns for each of `jobs`, in the order in which they finish.

    Each job has one torch thread, and a console that prints lines now and then instead of drawing bars.

    Raises:
        Exception: the first that a job raised. The others are given up then, as they are when the caller stops early.

    """
    others = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), set_threads, (1,))
    futures = [pool.submit(_run, work, job) for job in jobs]
    try:
        for future in as_completed(futures):
            yield from future.result()
    finally:
        if not all(future.done() for future in futures):  # the jobs left are given up
            for process in set(multiprocessing.active_children()) - others:
                process.terminate()
        pool.shutdown(cancel_futures=True)  # joins the processes


def _run(work: Callable[..., list[T]], job: tuple[Any, ...]) -> list[T]:
    return work(*job, make_log())
