"""Warnings in one line, each said once: what is lost or chosen for you, and the remedy."""

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from nextlat_rl.errors import UserError


class NextLatWarning(UserWarning):
    """Something was left out or chosen; the job goes on."""


_SAID: dict[str, None] = {}  # in the order in which they were said


def notice(message: str) -> None:
    """Warn of something once a process; the commands print it as one line on stderr."""
    if message not in _SAID:
        _SAID[message] = None
        warnings.warn(message, NextLatWarning, stacklevel=2)


def said() -> list[str]:
    """All notices of this process, for a parent to repeat."""
    return list(_SAID)


@contextmanager
def costs_only(what: str) -> Iterator[None]:
    """Whatever goes wrong in the block costs `what`, with one notice; for extras of a result that exists already."""
    try:
        yield
    except Exception as error:  # drawing, TensorBoard, codecs and environments raise anything
        notice(f"{what} is left out: {reason(error)}")


def reason(error: BaseException) -> str:
    """An error in one line, with its type unless it is our own."""
    text = " ".join(str(error).split())[:300]
    return text if isinstance(error, UserError) else f"{type(error).__name__}: {text}".removesuffix(": ")


def print_warnings_in_one_line() -> None:
    """Let this process print our warnings as `warning: ...` on stderr, without the place in the code."""
    usual = warnings.showwarning

    def show(message, category, filename, lineno, file=None, line=None) -> None:  # type: ignore[no-untyped-def]
        if issubclass(category, NextLatWarning):
            print(f"warning: {message}", file=sys.stderr, flush=True)
        else:
            usual(message, category, filename, lineno, file, line)

    warnings.showwarning = show
