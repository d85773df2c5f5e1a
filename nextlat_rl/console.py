"""Progress bars and tables in the terminal."""

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any, TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

_FOLDS_FROM = 16  # characters of a cell
_result_stream: TextIO | None = None
_kept: list[Any] | None = None
_PLAIN_EVERY = 20.0  # seconds between lines where there is no terminal to animate


class _Speed(ProgressColumn):
    """Steps per second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.1f}/s" if speed else "", style="cyan")


class Bar:
    """A progress bar in a terminal; elsewhere a plain line every 20 seconds."""

    def __init__(self, console: Console, title: str, total: float | None, unit: str) -> None:
        self.console, self.title, self.total, self.unit = console, title, total, unit
        self.done, self.started, self.printed = 0.0, time.monotonic(), time.monotonic()
        self.progress: Progress | None = None
        self.task = None
        if console.is_terminal:
            self.progress = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=24),
                TextColumn("{task.completed:,.0f}/{task.total:,.0f} " + unit),
                _Speed(),
                TimeRemainingColumn(compact=True),
                TextColumn("{task.fields[note]}", style="dim"),
                console=console,
            )
            self.task = self.progress.add_task(title, total=total, note="")

    def update(self, done: float, note: str = "", total: float | None = None) -> None:
        """Set how much is done, and a short note beside it."""
        self.done, self.total = done, total or self.total
        if self.progress is not None and self.task is not None:
            self.progress.update(self.task, completed=done, total=self.total, note=note)
        elif time.monotonic() - self.printed > _PLAIN_EVERY:
            self.printed = time.monotonic()
            elapsed = self.printed - self.started
            speed = done / elapsed
            left = f", {(self.total - done) / speed:,.0f} s left" if self.total and speed else ""
            of = f"/{self.total:,.0f}" if self.total else ""
            self.console.print(
                f"{self.title}: {done:,.0f}{of} {self.unit}, {speed:,.1f}/s{left}  {note}", highlight=False
            )


@contextmanager
def bar(console: Console, title: str, total: float | None, unit: str) -> Iterator[Bar]:
    """Show a `Bar` inside the block."""
    shown = Bar(console, title, total, unit)
    if shown.progress is None:
        yield shown
        return
    with shown.progress:
        yield shown


@contextmanager
def result_alone_on_stdout() -> Iterator[None]:
    """Send to stderr whatever this process, its children or C code print in the block; see `print_result`."""
    global _result_stream
    sys.stdout.flush()
    kept = os.dup(1)
    try:
        with open(os.dup(kept), "w", encoding="utf-8") as stream, redirect_stdout(sys.stderr):
            _result_stream = stream
            os.dup2(2, 1)
            yield
    finally:
        _result_stream = None
        os.dup2(kept, 1)
        os.close(kept)


@contextmanager
def result_kept() -> Iterator[list[Any]]:
    """Keep in the list what `print_result` gets in the block, instead of printing it."""
    global _kept
    _kept = []
    try:
        yield _kept
    finally:
        _kept = None


def print_result(content: Any) -> None:
    """Print a command's result as JSON, on the stdout that was there before `result_alone_on_stdout`."""
    if _kept is not None:
        _kept.append(content)
        return
    print(json.dumps(content, indent=1), file=_result_stream or sys.stdout, flush=True)


def make_console(quiet: bool, silent: bool = False) -> Console:
    """The console of a command; `quiet` (for `json=true`) sends all of it to stderr, `silent` prints nothing."""
    file = sys.stderr if quiet else sys.stdout
    # A log file has no width of its own: give tables room instead of rich's 80 columns.
    return Console(file=file, soft_wrap=True, width=None if file.isatty() else 140, quiet=silent)


def make_log() -> Console:
    """A console of plain lines on stderr, without bars, for one of several processes that print."""
    return Console(file=sys.stderr, soft_wrap=True, width=140, force_terminal=False)


def table(title: str, columns: list[str], rows: list[list[str]]) -> Table:
    """A table with text aligned left and numbers aligned right; where it is too wide, only text is folded."""
    shown = Table(title=title, title_justify="left", title_style="bold")
    for i, column in enumerate(columns):
        words = i == 0 or any(row[i][:1].isalpha() for row in rows)
        folds = max((len(row[i]) for row in rows), default=0) > _FOLDS_FROM
        shown.add_column(column, justify="left" if words else "right", no_wrap=not (words and folds), overflow="fold")
    for row in rows:
        shown.add_row(*row)
    return shown
