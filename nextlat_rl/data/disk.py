"""Clear errors for full or forbidden disks, and files and folders that are written completely or not at all."""

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from nextlat_rl.errors import UserError


def _full(directory: Path, variable: str) -> UserError:
    return UserError(f"the disk of {directory} is full: free some space or point {variable} at another disk")


def require_free(directory: Path, size: int, variable: str) -> None:
    """Raise UserError when fewer than `size` bytes are free on the disk of `directory`.

    `variable` is the environment variable that moves the directory.
    """
    if shutil.disk_usage(directory).free < size:
        raise _full(directory, variable)


@contextlib.contextmanager
def explain_disk_errors(directory: Path, variable: str) -> Iterator[None]:
    """Turn the OSError of a full disk, an exhausted quota or a folder we may not write to into a UserError."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _full(directory, variable) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST):
            raise UserError(f"cannot write to {directory} ({error}): point {variable} at a folder you own") from error
        raise


@contextlib.contextmanager
def all_or_nothing(directory: Path) -> Iterator[Path]:
    """Delete `directory` again if the block is left by any error, an interrupt included."""
    try:
        yield directory
    except BaseException:
        shutil.rmtree(directory, ignore_errors=True)
        raise


def replace_file(path: Path, text: str) -> None:
    """Write a small text file so that a reader sees the old content or the new, never a part."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
