"""Reading files that anybody may have written: regular files of a bounded size, known by their SHA-256."""

import hashlib
import json
import stat
from pathlib import Path
from typing import Any

LARGEST_JSON = 64 * 2**20  # bytes; the bounds of a large image are a few


def require_regular(path: Path, largest: int | None = None) -> int:
    """The size in bytes of a regular file, links followed. Opening a FIFO could wait, a device could have no end.

    Raises:
        OSError: there is no such file.
        ValueError: it is a FIFO, a device or a folder, or larger than `largest` bytes.
    """
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise ValueError(f"{path.name} is no regular file")
    if largest is not None and status.st_size > largest:
        raise ValueError(f"{path.name} has {status.st_size:,} bytes, more than {largest:,}")
    return status.st_size


def read_json(path: Path) -> Any:
    """What a JSON file of at most `LARGEST_JSON` bytes holds.

    Raises:
        OSError: it cannot be read.
        ValueError: see `require_regular`; or it is no JSON.
    """
    require_regular(path, LARGEST_JSON)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except RecursionError:
        raise ValueError(f"{path.name} is nested too deeply") from None


def digest(content: Any) -> str:
    """The SHA-256 of what a JSON file holds, whatever its layout."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def seal(path: Path) -> dict[str, Any]:
    """The size in bytes and the SHA-256 of a file, as manifests hold them."""
    with path.open("rb") as file:
        return {"bytes": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def check_seal(path: Path, sealed: Any, content: bool = True) -> None:
    """Require a file to be the one that was sealed.

    Args:
        path: the file.
        sealed: what `seal` gave, from a manifest.
        content: whether to read the file; otherwise its size is compared alone.

    Raises:
        OSError: there is no such file.
        ValueError: it is another file, or the manifest is broken.
    """
    if not isinstance(sealed, dict) or sealed.keys() != {"bytes", "sha256"}:
        raise ValueError(f"the manifest's entry of {path.name} is broken")
    if require_regular(path) != sealed["bytes"] or (content and seal(path) != sealed):
        raise ValueError(f"{path.name} is not the file that was written: its size or SHA-256 differs")
