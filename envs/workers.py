"""Episodes from several processes, in the order in which one process would give them.

Each process has a pipe of its own, whose other end only this process holds: where a process is killed, even in the
middle of sending, its pipe ends. `concurrent.futures` shares one pipe among all, and then waits for the rest for ever.
"""

import contextlib
import functools
import multiprocessing
import os
import signal
import threading
import traceback
import warnings
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any, cast

import gymnasium as gym

from nextlat_rl.envs import timeout
from nextlat_rl.envs.episode import Episode, check_seed, roll_out
from nextlat_rl.envs.factory import make_env
from nextlat_rl.envs.mixture import MixedBehaviour, parse_mixture
from nextlat_rl.errors import UserError
from nextlat_rl.notices import NextLatWarning, notice, said
from nextlat_rl.seeds import EVALUATION_SEED

CHUNK = 8  # episodes a task
AHEAD = 4  # tasks a process may be ahead of the reader
# The episodes of a task or what was raised, and all that the process had to say so far.
Answer = tuple[list[Episode] | Exception, list[str]]


def parallel_episodes(
    env_id: str, behaviour: str, epsilon: float, seed: int, episodes: int | None, workers: int
) -> Iterator[Episode]:
    """Episodes 0, 1, ... (without end if `episodes` is None), episode i with environment seed `seed` + i.

    Leaving the iterator early ends the processes at once; so does the end of this process, however it ends.

    Raises:
        UserError: raised in a process, in its place in the order; a process was killed; or the seeds reach those
            reserved for evaluation.
    """
    end = EVALUATION_SEED if episodes is None else seed + episodes
    tasks = (range(first, min(first + CHUNK, end)) for first in range(seed, end, CHUNK))
    with _started(workers, (env_id, behaviour, epsilon)) as pipes:
        for result, notices in _in_order(pipes, tasks):
            for message in notices:
                notice(message)
            if isinstance(result, Exception):
                raise result
            yield from result
    if episodes is None:
        check_seed(end)


def _in_order(pipes: Sequence[Connection], tasks: Iterator[range]) -> Iterator[Answer]:
    """What the processes answer to the tasks, in the order of the tasks.

    Raises:
        UserError: a process was killed.
    """
    numbered = enumerate(tasks)
    at_work = dict.fromkeys(pipes, 0)  # tasks given to a process that it has not answered
    answers: dict[int, Answer] = {}
    wanted = given = 0
    while True:
        for pipe in pipes:
            while at_work[pipe] < AHEAD and given < wanted + AHEAD * len(pipes):
                if (task := next(numbered, None)) is None:
                    break
                pipe.send(task)
                at_work[pipe] += 1
                given += 1
        if wanted in answers:
            yield answers.pop(wanted)
            wanted += 1
        elif any(at_work.values()):
            for pipe in cast(list[Connection], wait(pipes)):
                number, answers[number] = pipe.recv()
                at_work[pipe] -= 1
        else:
            return


@contextlib.contextmanager
def _started(workers: int, what: tuple[str, str, float]) -> Iterator[list[Connection]]:
    """Processes at work inside the block, and this end of a pipe to each; killed when the block is left.

    Raises:
        UserError: a process ended inside the block.
    """
    context = multiprocessing.get_context("spawn")
    pipes: list[Connection] = []
    processes: list[SpawnProcess] = []
    try:
        with _one_thread_each(), _interrupts_ignored():
            for _ in range(workers):
                ours, theirs = context.Pipe()
                process = context.Process(target=_work, args=(theirs, timeout.timeout(), *what), daemon=True)
                process.start()
                theirs.close()  # or the pipe would not end with the process
                pipes.append(ours)
                processes.append(process)
        yield pipes
    except (EOFError, ConnectionError):
        gone = wait([process.sentinel for process in processes], timeout=1.0)
        for process in (process for process in processes if process.sentinel in gone):
            process.join(timeout=1.0)  # it lets go of its files just before it has an exit code
        ended = [process.exitcode for process in processes if process.exitcode is not None]
        raise UserError(
            f"a process that gathers episodes of '{what[0]}' ended (exit code {ended[0] if ended else 'unknown'}; -9 "
            "is often a lack of memory, others are the environment's): nothing was kept; run the same command again, "
            "with fewer processes if it happens again; with workers=1 the environment's own message is seen"
        ) from None
    finally:
        for process in processes:
            process.kill()  # an environment can be deaf to SIGTERM
        for process in processes:
            process.join()
        for pipe in pipes:
            pipe.close()


def _work(pipe: Connection, seconds: float, env_id: str, behaviour: str, epsilon: float) -> None:
    """Answer tasks, until the process that started this one ends or ends it; that one says the notices for all."""
    number = 0
    timeout.set_timeout(seconds)

    def give_up(message: str) -> None:
        pipe.send((number, (UserError(message), said())))

    warnings.simplefilter("ignore", NextLatWarning)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    parts = functools.cache(lambda: _parts(env_id, behaviour, epsilon))
    with timeout.on_hang(give_up), contextlib.suppress(EOFError):
        while True:
            number, seeds = pipe.recv()
            try:
                answer: Any = [roll_out(*parts(), seed) for seed in seeds]
            except Exception as error:  # whatever it is, the reader raises it
                error.add_note(traceback.format_exc())
                answer = error
            pipe.send((number, (answer, said())))


def _end_with_parent() -> None:
    """Wait for the parent's end: its pipe to this process closes however it ends."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


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
