"""Episodes from several processes, in the order in which one process would give them."""

import contextlib
import functools
import itertools
import multiprocessing
import os
import signal
import threading
import warnings
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import gymnasium as gym

from nextlat_rl.envs.episode import Episode, check_seed, roll_out
from nextlat_rl.envs.factory import make_env
from nextlat_rl.envs.mixture import MixedBehaviour, parse_mixture
from nextlat_rl.errors import UserError
from nextlat_rl.notices import NextLatWarning, notice, said
from nextlat_rl.seeds import EVALUATION_SEED

CHUNK = 8  # episodes a task
AHEAD = 4  # tasks a process may be ahead of the reader


def parallel_episodes(
    env_id: str, behaviour: str, epsilon: float, seed: int, episodes: int | None, workers: int
) -> Iterator[Episode]:
    """Episodes 0, 1, ... (without end if `episodes` is None), episode i with environment seed `seed` + i.

    Leaving the iterator early ends the processes at once.

    Raises:
        UserError: raised in a process, in its place in the order; a process died; or the seeds reach those reserved
            for evaluation.
    """
    end = EVALUATION_SEED if episodes is None else seed + episodes
    tasks = (range(first, min(first + CHUNK, end)) for first in range(seed, end, CHUNK))
    others = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"))

    def submit(count: int) -> list[Future[tuple[list[Episode], list[str]]]]:
        return [pool.submit(_episodes, env_id, behaviour, epsilon, seeds) for seeds in itertools.islice(tasks, count)]

    try:
        with _one_thread_each(), _interrupts_ignored():  # the processes start with the first tasks
            pending = deque(submit(workers * AHEAD))
        while pending:
            gathered, notices = pending.popleft().result()
            for message in notices:
                notice(message)
            yield from gathered
            pending.extend(submit(1))
        if episodes is None:
            check_seed(end)
    except BrokenProcessPool as error:
        raise UserError(
            f"a process that gathers in '{env_id}' died; the environment ended it, or memory ran out: use fewer "
            "workers, with workers=1 the environment's own message is seen"
        ) from error
    finally:
        for process in set(multiprocessing.active_children()) - others:
            process.terminate()
        pool.shutdown(cancel_futures=True)


def _episodes(env_id: str, behaviour: str, epsilon: float, seeds: range) -> tuple[list[Episode], list[str]]:
    """The episodes, and what this process had to say so far; the parent says it once for all processes."""
    warnings.simplefilter("ignore", NextLatWarning)
    env, mixture = _parts(env_id, behaviour, epsilon)
    return [roll_out(env, mixture, seed) for seed in seeds], said()


@functools.cache  # once a process
def _parts(env_id: str, behaviour: str, epsilon: float) -> tuple[gym.Env, MixedBehaviour]:
    return make_env(env_id), MixedBehaviour(parse_mixture(behaviour), env_id, epsilon)


@contextlib.contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """Processes started here ignore Ctrl-C, which a terminal sends to all of them: this process ends them instead."""
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
    """Processes started here use one thread each for numpy and torch."""
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
