"""Jobs in processes of their own, a core each."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import Any, TypeVar

from rich.console import Console

from nextlat_rl.console import make_log
from nextlat_rl.runtime import set_threads

T = TypeVar("T")


def side_by_side(work: Callable[..., list[T]], jobs: Sequence[tuple[Any, ...]], processes: int) -> Iterator[T]:
    """What `work(*job, console)` returns for each of `jobs`, in the order in which they finish.

    Each job has one torch thread, and a console that prints lines now and then instead of drawing bars.

    Raises:
        Exception: the first that a job raised; those not begun yet are dropped.

    """
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), set_threads, (1,)) as pool:
        futures = [pool.submit(_run, work, job) for job in jobs]
        try:
            for future in as_completed(futures):
                yield from future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _run(work: Callable[..., list[T]], job: tuple[Any, ...]) -> list[T]:
    console: Console = make_log()
    return work(*job, console)
