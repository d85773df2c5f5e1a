"""Writing that neither a crash nor a full disk nor a power cut leaves half done: aside, flushed, then renamed."""

import errno
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nextlat_rl.errors import UserError

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
# What can be said of a disk, a folder or a process that does not take what is written.
UNWRITABLE = (
    FULL
    | {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST}
    | {*(errno.EMFILE, errno.ENFILE, errno.EIO, errno.EFBIG)}
)
PART = ".part-"  # begins the name of a file that is being written


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """A file beside `path`, for the block to write, which then takes its place: readers see the old one or the new.

    Folders on the way there are made.

    Raises:
        UserError: it cannot be written; what was there before is there still.
    """
    part = path.with_name(f"{PART}{uuid.uuid4().hex}-{path.name}")
    try:
        make_folder(path.parent)
        yield part
        sync(part)
        os.replace(part, path)
        sync(path.parent)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        part.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a small file; see `replaced`."""
    with replaced(path) as part:
        part.write_text(text, encoding="utf-8")


def publish(folder: Path, target: Path) -> None:
    """Give a folder that was built aside its name, once all that lies in it is on the disk.

    Raises:
        OSError: as `os.replace` does.
    """
    for path in [*folder.rglob("*"), folder]:
        sync(path)
    os.replace(folder, target)
    sync(target.parent)


def make_folder(folder: Path, new: bool = False) -> None:
    """Make a folder and those that it lies in, where they are not there; a `new` one must not be there.

    Raises:
        OSError: as `os.mkdir` does.
    """
    if new or not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=not new)
        try:
            sync(folder.parent)
        except OSError:
            folder.rmdir()
            raise


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk.

    Raises:
        OSError: they cannot be.
    """
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a file system that has nothing to flush, as some of networks for folders
            raise
    finally:
        os.close(handle)


def cannot_write(path: Path | str, error: OSError) -> UserError:
    """What to raise in the place of `error`."""
    reason = error.strerror or str(error)
    return UserError(f"cannot write {path} ({reason}): free some space or use another folder, and run this again")
