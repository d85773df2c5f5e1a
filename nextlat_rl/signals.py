"""SIGTERM as an exception that is like Ctrl-C, and an end within seconds even where nothing listens to it."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

GRACE = 4.5  # seconds from SIGTERM to the end at the latest


class Terminated(KeyboardInterrupt):
    """SIGTERM arrived."""


def exit_code(error: KeyboardInterrupt) -> int:
    """What shells call the signal: 143 after SIGTERM, 130 after Ctrl-C."""
    return 128 + (signal.SIGTERM if isinstance(error, Terminated) else signal.SIGINT)


def interruption(number: int) -> KeyboardInterrupt:
    """The exception of a signal's number."""
    return Terminated() if number == signal.SIGTERM else KeyboardInterrupt()


@contextmanager
def sigterm_raises() -> Iterator[None]:
    """SIGTERM raises `Terminated` inside the block, and ends the process after `GRACE` seconds whatever it does.

    A thread sees to the end: the exception waits for code in C to return, and a callback can swallow it. Only for the
    main thread.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    threading.Thread(target=_end_after_sigterm, args=(reader,), daemon=True).start()
    before = signal.signal(signal.SIGTERM, _raise)
    old = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(old)
        signal.signal(signal.SIGTERM, before)
        os.close(writer)  # ends the thread


@contextmanager
def signals_to(handler: Callable[[int, object], None]) -> Iterator[None]:
    """Ctrl-C and SIGTERM call `handler` inside the block. Only for the main thread."""
    kept = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, old in kept.items():
            signal.signal(number, old)


def _raise(number: int, frame: object) -> None:
    raise interruption(number)


def _end_after_sigterm(reader: int) -> None:
    received = b""
    while signal.SIGTERM not in received:
        received = os.read(reader, 64)
        if not received:
            os.close(reader)
            return
    threading.Event().wait(GRACE)
    os._exit(128 + signal.SIGTERM)
