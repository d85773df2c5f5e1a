"""A data set's identity by content, without reading unchanged files twice."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from minari import MinariDataset

from nextlat_rl.durable import write_text

_BLOCK = 1 << 20


def content_digest(dataset: MinariDataset, memo: Path) -> str:
    """Return a hex digest of the bytes of all files of the data set and of its choice of episodes.

    `memo` is a JSON file that remembers the digest of a data folder together with its files' sizes and modification
    times; while those stay the same the files are not read.
    """
    folder = Path(dataset.storage.data_path).resolve()
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    known = _read(memo)
    stamp = _stamp(folder, files)
    old_stamp, _, digest = known.get(str(folder), "").partition(" ")
    if old_stamp != stamp:
        digest = _digest(folder, files)
        write_text(memo, json.dumps(known | {str(folder): f"{stamp} {digest}"}, indent=1))
    choice = np.asarray(dataset.episode_indices, dtype=np.int64).tobytes()
    return hashlib.blake2b(digest.encode() + choice, digest_size=16).hexdigest()


def is_verified(folder: Path, memo: Path) -> bool:
    """Whether `remember_verified` was called for the folder and its files kept their sizes and modification times."""
    return _read(memo).get(str(folder)) == _verified(folder)


def remember_verified(folder: Path, memo: Path) -> None:
    """Note in `memo` that the contents of a folder's files were compared with their manifest."""
    write_text(memo, json.dumps(_read(memo) | {str(folder): _verified(folder)}, indent=1))


def _verified(folder: Path) -> str:
    return f"{_stamp(folder, sorted(path for path in folder.rglob('*') if path.is_file()))} verified"


def joint_digest(datasets: Sequence[MinariDataset], memo: Path) -> str:
    """The digest of one data set, or of several in their order."""
    digests = [content_digest(dataset, memo) for dataset in datasets]
    return digests[0] if len(digests) == 1 else hashlib.blake2b("".join(digests).encode(), digest_size=16).hexdigest()


def _read(memo: Path) -> dict[str, str]:
    try:
        known = json.loads(memo.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(key): str(value) for key, value in known.items()} if isinstance(known, dict) else {}


def _stamp(folder: Path, files: list[Path]) -> str:
    stamps = [[path.relative_to(folder).as_posix(), path.stat().st_size, path.stat().st_mtime_ns] for path in files]
    return hashlib.blake2b(json.dumps(stamps).encode(), digest_size=16).hexdigest()


def _digest(folder: Path, files: list[Path]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for path in files:
        digest.update(f"{path.relative_to(folder).as_posix()}\0{path.stat().st_size}\0".encode())
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
    return digest.hexdigest()
