"""A limit on how long an environment may take for one call: a thread looks at the calls in progress.

A call that takes longer is interrupted, as by Ctrl-C: in Python code of the main thread, so also in a `sleep` or while
it waits for a socket. Code in C and other threads cannot be interrupted; there, what `on_hang` set is done instead.
"""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from nextlat_rl.envs.config import EnvConfig
from nextlat_rl.errors import UserError
from nextlat_rl.notices import notice

_TICK = 0.5
_GRACE = 5.0  # from the interruption on, for a call to end
_SIGNAL = signal.SIGURG  # that nothing else uses, and that does nothing where it arrives by accident


class TimedOut(BaseException):
    """Raised inside an environment's call; no `Exception`, which environments catch."""


class HangError(UserError):
    """An environment's call took too long."""


class Call:
    """An environment's call, as a block that may take `limit` seconds; by default what `set_timeout` says.

    Args:
        place: says environment, episode and step.
        limit: 0 for none.

    Raises:
        HangError: it took longer, and was interrupted.
    """

    __slots__ = ("age", "given_up", "limit", "place")

    def __init__(self, place: Callable[[], str], limit: float | None = None) -> None:
        self.place, self.limit = place, _seconds if limit is None else limit
        self.age, self.given_up = 0.0, False  # the thread counts the seconds

    def __enter__(self) -> None:
        if self.limit:
            _calls[threading.get_ident()] = self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        _calls.pop(threading.get_ident(), None)
        if error is not None:
            self.failed(error)

    def failed(self, error: BaseException) -> None:
        """Called with what the block raised, which goes on unless this raises something else."""
        if isinstance(error, TimedOut):
            raise HangError(self.message()) from None

    def message(self) -> str:
        """What a user has to know, in one line."""
        return (
            f"{self.place()}: no answer within {self.limit:g} seconds; correct the environment, or allow it more with "
            "env.timeout=<seconds> (0 for no limit; in Python nextlat_rl.envs.set_timeout)"
        )


_calls: dict[int, Call] = {}  # by thread
_seconds = EnvConfig.timeout
_watcher: threading.Thread | None = None
_give_up: Callable[[str], None] = notice


def set_timeout(seconds: float) -> None:
    """Let no call of an environment in this process take longer than `seconds`; 0 for no limit."""
    global _seconds
    _seconds = seconds


def timeout() -> float:
    """The seconds that hold now, 0 for no limit."""
    return _seconds


@contextmanager
def on_hang(give_up: Callable[[str], None]) -> Iterator[None]:
    """Where a call cannot be interrupted, do this with the message, in another thread; by default it is a notice."""
    global _give_up
    before, _give_up = _give_up, give_up
    try:
        yield
    finally:
        _give_up = before


def watch() -> None:
    """Start the thread, unless it runs; a process that was forked has none of its parent's."""
    global _watcher
    if _watcher is None or not _watcher.is_alive():
        _watcher = threading.Thread(target=_watch, daemon=True, name="environments' time-out")
        _watcher.start()
    main = threading.current_thread() is threading.main_thread()
    if main and signal.getsignal(_SIGNAL) == signal.SIG_DFL:
        signal.signal(_SIGNAL, _interrupt)


def _watch() -> None:
    pause, before = threading.Event(), time.monotonic()
    while True:
        pause.wait(_TICK)
        now = time.monotonic()
        tick, before = min(now - before, 2 * _TICK), now  # a process that was stopped, or a laptop that slept
        for thread, call in list(_calls.items()):
            call.age += tick
            if call.age < call.limit:
                continue
            if thread == threading.main_thread().ident:
                signal.pthread_kill(thread, _SIGNAL)
            if call.age >= call.limit + _GRACE and not call.given_up:
                call.given_up = True
                _give_up(call.message())


def _interrupt(number: int, frame: object) -> None:
    call = _calls.get(threading.get_ident())
    if call is not None and call.age >= call.limit:  # else it came back in this moment
        raise TimedOut
