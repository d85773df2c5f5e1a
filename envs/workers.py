"""Episodes from several processes, in the order one process would give them."""

import contextlib
import itertools
import multiprocessing
import os
import queue
import signal
import threading
import traceback
from collections.abc import Iterator
from typing import Any

from nextlat_rl.envs.episode import Episode, check_seed
from nextlat_rl.envs.episode_runner import EpisodeRunner
from nextlat_rl.errors import UserError
from nextlat_rl.seeds import EVALUATION_SEED

CHUNK = 8  # episodes a message
AHEAD = 4  # messages a worker may be ahead of the reader
POLL_SECONDS = 1.0


def parallel_episodes(
    env_id: str, behaviour: str, epsilon: float, seed: int, episodes: int | None, workers: int
) -> Iterator[Episode]:
    """Episodes 0, 1, ... (all of them when `episodes` is None), episode i with environment seed `seed` + i.

    Worker w rolls out chunks w, w + workers, ... and has a queue of its own, so reading the queues in turn restores the
    order and nothing has to be sorted. Leaving the iterator early stops the workers.

    Raises:
        UserError: whatever a worker raised, in its place in the order.
        RuntimeError: a worker failed otherwise, or died.
    """
    context = multiprocessing.get_context("spawn")
    queues = [context.Queue(maxsize=AHEAD) for _ in range(workers)]
    processes = [
        context.Process(
            target=_work, args=(env_id, behaviour, epsilon, seed, episodes, first, workers, mailbox), daemon=True
        )
        for first, mailbox in enumerate(queues)
    ]
    try:
        with _interrupts_ignored(), _one_thread_each():
            for process in processes:
                process.start()
        for turn in itertools.count():
            chunk = _receive(queues[turn % workers], processes[turn % workers])
            if not chunk:
                check_seed(seed + turn * CHUNK)
                return
            yield from chunk
            if len(chunk) < CHUNK:
                check_seed(seed + turn * CHUNK + len(chunk))
                return
    finally:
        for process in processes:
            if process.pid is not None:
                process.terminate()
        for process in processes:
            if process.pid is not None:
                process.join()


def _work(
    env_id: str,
    behaviour: str,
    epsilon: float,
    seed: int,
    episodes: int | None,
    first: int,
    workers: int,
    mailbox: Any,
) -> None:
    try:
        runner = EpisodeRunner(env_id, behaviour, epsilon)
        end = EVALUATION_SEED - seed if episodes is None else episodes
        for chunk in itertools.count(first, workers):
            indices = range(chunk * CHUNK, min((chunk + 1) * CHUNK, end))
            mailbox.put([runner.episode(seed + i) for i in indices])
            if len(indices) < CHUNK:
                return
    except UserError as error:
        mailbox.put(error)
    except Exception:
        mailbox.put(RuntimeError(f"a collection worker failed:\n{traceback.format_exc()}"))


def _receive(mailbox: Any, process: Any) -> list[Episode]:
    while True:
        try:
            message = mailbox.get(timeout=POLL_SECONDS)
        except queue.Empty:
            if not process.is_alive() and mailbox.empty():
                raise RuntimeError(f"a collection worker died with exit code {process.exitcode}") from None
            continue
        if isinstance(message, Exception):
            raise message
        return message


@contextlib.contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """Start children deaf to Ctrl-C, which a terminal sends to all: the parent ends them, without tracebacks."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)


@contextlib.contextmanager
def _one_thread_each() -> Iterator[None]:
    """Children inherit one thread for numpy and torch: the workers themselves are the parallelism."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
