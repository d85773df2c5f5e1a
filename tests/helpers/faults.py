"""Commands whose k-th call that writes fails, or is their last. Run as a module it serves `Faults`, with the library of
faults.c preloaded."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DIES, HALF, POWER = 1000, 1001, 1002  # beside the numbers of errors
DIED = 99  # exit code
_SOURCE = Path(__file__).with_name("faults.c")


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code, what it printed, and the call that failed, or all that wrote."""

    code: int
    log: str
    calls: list[str]


class Faults:
    """Runs commands in areas, see `benchmarks.suites.trust.area`."""

    def __init__(self, server: subprocess.Popen[str]) -> None:
        self._server = server

    def run(self, area: Path, command: tuple[str, ...], at: int = 0, kind: int = 0, again: bool = False) -> Ended:
        """Run a command in a folder; its call `at`, from 1, fails with `kind`, and so do later ones if `again`."""
        assert self._server.stdin is not None and self._server.stdout is not None
        request = {"area": str(area), "command": command, "at": at, "kind": kind, "again": again}
        self._server.stdin.write(json.dumps(request) + "\n")
        self._server.stdin.flush()
        code = int(self._server.stdout.readline())
        texts = []
        for file in (area / "log", area / "log.fault"):
            texts.append(file.read_text() if file.exists() else "")
            file.unlink(missing_ok=True)
        return Ended(code, texts[0], texts[1].splitlines())


@contextmanager
def faults(folder: Path) -> Iterator[Faults]:
    """A server of faults; `folder` gets the compiled library."""
    library = folder / "faults.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, _SOURCE, "-ldl", "-lpthread"], check=True)
    with subprocess.Popen(
        [sys.executable, "-m", "tests.helpers.faults", str(library)],
        env=os.environ | {"LD_PRELOAD": str(library)},
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        yield Faults(server)
        server.communicate()


def _serve(library: str) -> None:
    from benchmarks.suites.trust.area import Area

    shim = ctypes.CDLL(library)
    for line in sys.stdin:
        asked: dict[str, Any] = json.loads(line)
        area = Area(Path(asked["area"]))
        shim.faults_arm(asked["area"].encode(), ctypes.c_long(asked["at"]), asked["kind"], int(asked["again"]))
        process = area.start(tuple(asked["command"]))
        shim.faults_arm(b"", ctypes.c_long(0), 0, 0)
        print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)


if __name__ == "__main__":
    _serve(sys.argv[1])
