"""The folder of data sets, and clear errors for full or forbidden disks."""

import contextlib
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from nextlat_rl.durable import FULL, UNWRITABLE
from nextlat_rl.errors import UserError

ROOT_VARIABLE = "MINARI_DATASETS_PATH"
UNFINISHED = "unfinished_"  # begins the names of data sets that are being written


def _full(directory: Path, variable: str) -> UserError:
    return UserError(f"the disk of {directory} is full: free some space or point {variable} at another disk")


def require_free(directory: Path, size: int, variable: str) -> None:
    """Raise UserError when fewer than `size` bytes are free on the disk of `directory`.

    `variable` is the environment variable that moves the directory.
    """
    if shutil.disk_usage(directory).free < size:
        raise _full(directory, variable)


@contextlib.contextmanager
def hdf5_errors() -> Iterator[None]:
    """Turn the RuntimeError that h5py makes of an OSError, where a file is closed, back into it."""
    try:
        yield
    except RuntimeError as error:
        if (number := re.search(r"errno = (\d+)", str(error))) is None:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1]))) from error


@contextlib.contextmanager
def explain_disk_errors(directory: Path, variable: str) -> Iterator[None]:
    """Turn the OSError of a disk that is full, or that takes nothing for another reason, into a UserError."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise _full(directory, variable) from error
        if error.errno in UNWRITABLE:
            raise UserError(f"cannot write to {directory} ({error}): point {variable} at a folder you own") from error
        raise
