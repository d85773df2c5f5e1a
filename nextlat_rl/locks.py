"""Locks that end with their process, and sweeping what a killed process left."""

import errno
import fcntl
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from nextlat_rl.durable import make_folder
from nextlat_rl.errors import UserError
from nextlat_rl.notices import notice

# What `flock` says on file systems that have no locks.
_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS)
_WRITTEN = 60.0  # seconds
OWNER = ".lock"  # in a folder that a process is filling


@contextmanager
def locked(path: Path, taken: str) -> Iterator[None]:
    """Hold the lock file `path` inside the block. The kernel gives it up when the process ends, however it ends.

    On a file system without locks nothing is held, which one notice says; nothing is swept there.

    Raises:
        UserError: with the message `taken`, another process holds it; or its folder cannot be written to.
    """
    handle = _acquire(path)
    if handle is None:
        raise UserError(taken)
    try:
        yield
    finally:
        _release(path, handle)


@contextmanager
def scratch_folder(parent: Path, prefix: str, suffix: str = "") -> Iterator[Path]:
    """The path of a folder that the block may make and move away; what is left of it is deleted.

    `sweep` deletes it where this process is killed.
    """
    path = parent / f"{prefix}{uuid.uuid4().hex}{suffix}"
    with locked(_beside(path), f"{path} is in use"):
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)


def sweep(parent: Path, prefix: str) -> None:
    """Delete the scratch folders of this prefix whose processes are dead, and their lock files."""
    for found in sorted(parent.glob(f"{prefix}*")):
        folder = found.with_name(found.name.removesuffix(".lock"))
        handle = _acquire(_beside(folder), sweeping=True)
        if handle is not None:
            shutil.rmtree(folder, ignore_errors=True)
            _release(_beside(folder), handle)


def sweep_unfinished(folders: Iterator[Path], finished: Callable[[Path], bool]) -> None:
    """Delete the folders that hold a lock of a dead process and are not `finished`; of the finished, only the lock."""
    for folder in folders:
        lock = folder / OWNER
        if folder.is_dir() and not any(folder.iterdir()) and time.time() - folder.stat().st_mtime > _WRITTEN:
            folder.rmdir()
        handle = _acquire(lock, sweeping=True) if lock.exists() else None
        if handle is not None:
            if not finished(folder):
                shutil.rmtree(folder, ignore_errors=True)
            _release(lock, handle)


@contextmanager
def filled(folder: Path, option: str, finished: Callable[[Path], bool]) -> Iterator[Path]:
    """A new folder of this name, see `claim`, to be filled inside the block; it goes again unless it is `finished`.

    `sweep_unfinished` deletes it where this process is killed.
    """
    folder = claim(folder, option)
    try:
        with locked(folder / OWNER, f"'{folder}' is taken"):
            yield folder
    finally:
        if not finished(folder):
            shutil.rmtree(folder, ignore_errors=True)


def is_held(path: Path) -> bool:
    """Whether another process holds this lock file."""
    handle = _acquire(path) if path.exists() else -1
    if handle is not None and handle >= 0:
        _release(path, handle)
    return handle is None


def sweep_files(folder: Path, pattern: str) -> None:
    """Delete small files that a process was killed in the middle of writing; writing one takes milliseconds."""
    for file in folder.glob(pattern):
        with suppress(FileNotFoundError):
            if time.time() - file.stat().st_mtime > _WRITTEN:
                file.unlink()


def claim(folder: Path, option: str) -> Path:
    """Make `folder`, or where it exists `folder`-2, -3, ...; two processes never get the same.

    Raises:
        UserError: it cannot be made; `option` chooses another place.
    """
    name, number = folder.name, 1
    while True:
        try:
            make_folder(folder, new=True)
            return folder
        except OSError as error:
            if (
                not isinstance(error, FileExistsError) or not folder.exists()
            ):  # a link to nothing on the way there is a FileExistsError too
                raise UserError(
                    f"cannot create the folder {folder} ({error.strerror}); choose another with {option}"
                ) from None
            number += 1
            folder = folder.with_name(f"{name}-{number}")


def _beside(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.lock")


def _acquire(path: Path, sweeping: bool = False) -> int | None:
    """The open handle of a lock file that is now ours; None if another process holds it, or may when `sweeping`."""
    try:
        while True:
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(handle)
                return None
            except OSError as error:
                if error.errno not in _NO_LOCKS:
                    raise
                if sweeping:
                    os.close(handle)
                    return None
                notice(
                    f"a file system in use has no locks ({error.strerror}): let no two commands work in one folder "
                    "there, and delete what killed ones leave"
                )
                return handle
            if path.exists() and os.path.samestat(os.fstat(handle), path.stat()):
                return handle
            os.close(handle)  # its holder deleted it meanwhile
    except OSError as error:
        raise UserError(f"cannot lock {path} ({error.strerror}); use a folder that you own on another disk") from None


def _release(path: Path, handle: int) -> None:
    path.unlink(missing_ok=True)
    os.close(handle)
