"""Files of strangers: every way of damaging one gets one clear line and exit code 2, soon and in little memory."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.suites.trust.area import Area
from benchmarks.suites.trust.jobs import JOBS

_SECONDS, _MEGABYTES = 5.0, 1024.0  # what a refusal may take of a core and of memory
_HANGS = 120.0  # seconds after which a case has failed, however busy the machine is
_ENTRIES = ("format", "step", "model", "observation_space", "action_space", "statistics", "env_id", "discount")
_SIZES = ("layers", "heads", "width", "context", "dynamics_width", "code_groups", "code_classes", "code_width")
_WRONG: dict[str, Any] = {"null": None, "list": [], "object": {}, "minus one": -1, "text": "x", "nan": float("nan")}
_SIZE: dict[str, Any] = {"zero": 0, "minus one": -1, "huge": 10**9, "text": "x", "fraction": 2.5, "null": None}


@dataclass(frozen=True)
class Case:
    """A file that is damaged, and the command that reads it.

    Attributes:
        name: of the damage.
        file: pattern of the file below the area.
        damage: changes the file.
        command: what reads it; `RUN` and `DATA` are the area's run and data set.

    """

    name: str
    file: str
    damage: Callable[[Path], None]
    command: tuple[str, ...]


def _written(change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def damage(file: Path) -> None:
        file.write_bytes(change(file.read_bytes()))

    return damage


def _replaced(make: Callable[[Path], object]) -> Callable[[Path], None]:
    def damage(file: Path) -> None:
        file.unlink()
        make(file)

    return damage


def _entry(path: tuple[str, ...], value: Any) -> Callable[[Path], None]:
    """Change an entry of a config without seal, as older versions wrote it."""

    def damage(file: Path) -> None:
        config = json.loads(file.read_text())
        config = {name: entry for name, entry in config.items() if name not in ("files", "seal")}
        part = config
        for name in path[:-1]:
            part = part[name]
        part[path[-1]] = value
        file.write_text(json.dumps(config))

    return damage


def _endless(file: Path) -> None:
    with file.open("r+b") as opened:
        opened.truncate(2**36)


_DAMAGES: dict[str, Callable[[Path], None]] = {
    "empty": _written(lambda content: b""),
    "first byte": _written(lambda content: content[:1]),
    "half": _written(lambda content: content[: len(content) // 2]),
    "zeros": _written(lambda content: bytes(len(content))),
    "ones": _written(lambda content: b"\xff" * len(content)),
    "text": _written(lambda content: b"<!doctype html>" * 100),
    "brackets": _written(lambda content: b"[" * 200_000),
    "head cut off": _written(lambda content: content[16:]),
    "head overwritten": _written(lambda content: b"\xff" * 64 + content[64:]),
    "endless": _endless,
    "pipe": _replaced(os.mkfifo),
    "folder": _replaced(Path.mkdir),
    "device": _replaced(lambda file: file.symlink_to("/dev/zero")),
}

_SMALL = ("episodes=1", "threads=1", "device=cpu")
_EVALUATE, _RESUME = ("evaluate", "checkpoint=RUN", *_SMALL), ("train", "resume=RUN", "trainer.steps=13")
_TRAIN = (*(option for option in JOBS["train"].command if option != "resume=auto"), "data=DATA")
_CHECKPOINT = "runs/*/*/checkpoints/*"
_HDF5 = "data/**/main_data.hdf5"
_FILES = {
    f"{_CHECKPOINT}/config.json": (_EVALUATE, _RESUME),
    f"{_CHECKPOINT}/model.safetensors": (_EVALUATE, _RESUME),
    f"{_CHECKPOINT}/optimizer.safetensors": (_RESUME,),
    "data/**/metadata.json": (_TRAIN,),
    _HDF5: (_TRAIN,),
}


def cases() -> list[Case]:
    """All of them, in an order in which every n-th are of all kinds."""
    found = [
        Case(name, file, damage, command)
        for file, commands in _FILES.items()
        for command in commands
        for name, damage in _DAMAGES.items()
        if (name, file) != ("endless", _HDF5)  # which HDF5 does not mind
    ]
    config = f"{_CHECKPOINT}/config.json"
    found += [Case(f"{e} {n}", config, _entry((e,), v), _EVALUATE) for e in _ENTRIES for n, v in _WRONG.items()]
    return found + [
        Case(f"{s} {n}", config, _entry(("model", s), v), _EVALUATE) for s in _SIZES for n, v in _SIZE.items()
    ]


def outcomes(area: Area, chosen: list[Case]) -> Iterator[tuple[Case, str]]:
    """How each case ends: `clear`, or what is wrong: `slow`, `large`, or else `other` and what was printed.

    Args:
        area: in which `JOBS["train"]` has been run; is the same afterwards.
        chosen: the cases.

    """
    kept = area.folder.with_name("kept")
    shutil.copytree(area.folder, kept)
    for case in chosen:
        (file,) = area.folder.glob(case.file)
        case.damage(file)
        yield case, _outcome(area, case)
        shutil.rmtree(area.folder)
        shutil.copytree(kept, area.folder)


def _outcome(area: Area, case: Case) -> str:
    (data,) = area.folder.glob("data/**/data")
    name = str(data.parent.relative_to(area.folder / "data"))
    log = area.folder / "log"
    log.unlink()
    process, end = area.start(tuple(option.replace("DATA", name) for option in case.command)), time.monotonic() + _HANGS
    done, status, used = os.wait4(process, os.WNOHANG)
    while not done and time.monotonic() < end:
        time.sleep(0.01)
        done, status, used = os.wait4(process, os.WNOHANG)
    if not done:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        return "other: it hangs"
    said = [line for line in log.read_text().splitlines() if line.strip()]
    wrong = [line for line in said if re.match(r"error: |Traceback|.*(Error|Warning): ", line)]
    if os.waitstatus_to_exitcode(status) != 2 or not wrong or wrong != said[-1:]:
        return f"other: status {status}, {' / '.join(said)[-300:]}"
    if used.ru_utime + used.ru_stime > _SECONDS:
        return "slow"
    return "large" if used.ru_maxrss / 1024 > _MEGABYTES else "clear"


def counts(found: list[str]) -> dict[str, int]:
    """How many outcomes are of each kind."""
    kinds = Counter(outcome.partition(":")[0] for outcome in found)
    return {"cases": len(found)} | {kind: kinds[kind] for kind in ("clear", "slow", "large", "other")}
