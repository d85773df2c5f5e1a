"""A folder with data, stores and runs of its own; commands run and are killed in it, and what is found in it."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from importlib import import_module
from itertools import zip_longest
from pathlib import Path
from typing import Any

from benchmarks.suites.trust.jobs import Job
from nextlat_rl.errors import UserError

_SIGNALS = {signal.SIGINT, signal.SIGTERM}
_PATIENCE = 5.0  # seconds from a signal to the end
_ENDS = 20.0  # seconds that a killed command's processes may take to end, on a machine that is busy
_VOLATILE = {"date", "command", "wall_seconds", "total_wall_seconds", "ms_per_decision", "run", "git_revision", "dirty"}
_STAMP = re.compile(r"\d{8}-\d{6}(-\d+)?")
_OF_COMMANDS = ("evaluation-*", "draft-*", "drafters")  # what commands add to a run
_LEFT = ("unfinished_*", ".building-*", ".step-*", "*.lock", ".lock", ".part-*")


@dataclass
class Found:
    """What lies in an area, or, compared with another and summed up, how they differ.

    Attributes:
        content: bytes of weights, seals of data, rows of results and points of curves, by name; of a comparison, the
            names of what differs, under "other".
        equal: 1 if all of it is that of the undisturbed area.
        leftovers: files and folders that no command needs.
        orphans: processes that outlived a kill.
        doubled: points of curves at a step that has one already.
        missing: points of curves that the undisturbed area has.
        late: signals after which a command did not end within 5 s with the signal's exit code.

    """

    content: dict[str, Any] = field(default_factory=dict)
    equal: int = 0
    leftovers: int = 0
    orphans: int = 0
    doubled: int = 0
    missing: int = 0
    late: int = 0

    def compared_with(self, wanted: Found) -> Found:
        """The difference to an undisturbed area."""
        missing = 0
        for name, curves in wanted.content.items():
            if isinstance(curves[0], Counter):
                pairs: Iterator[tuple[Counter[int], Counter[int]]] = zip_longest(
                    self.content.get(name, []), curves, fillvalue=Counter()
                )
                missing += sum((there - here).total() for here, there in pairs)
        names = sorted(self.content.keys() | wanted.content.keys())
        other = [name for name in names if self.content.get(name) != wanted.content.get(name)]
        return Found({"other": other}, int(not other), self.leftovers, self.orphans, self.doubled, missing, self.late)

    def __add__(self, other: Found) -> Found:
        differing = [*self.content.get("other", []), *other.content.get("other", [])]
        counts = (mine + its for mine, its in zip(self._counts(), other._counts(), strict=True))
        return Found({"other": differing}, *counts)

    def _counts(self) -> list[int]:
        return [self.equal, self.leftovers, self.orphans, self.doubled, self.missing, self.late]

    def as_dict(self) -> dict[str, int]:
        """The counts by name."""
        return {name: value for name, value in asdict(self).items() if name != "content"}


class Area:
    """See the module.

    Args:
        folder: is made, if need be.

    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.orphans = self.late = 0
        folder.mkdir(exist_ok=True)

    def prepared(self, job: Job, like: Area | None) -> Area:
        """With what the job needs: taken from an area where it is there, or made."""
        if job.after and like is not None:
            shutil.copytree(like.folder, self.folder, dirs_exist_ok=True)
            for left in (left for name in _OF_COMMANDS for left in self.folder.glob(f"runs/*/*/{name}")):
                shutil.rmtree(left) if left.is_dir() else left.unlink()
        elif job.after:
            self.run(job.after)
        return self

    def run(self, command: tuple[str, ...]) -> float:
        """Run a command to its end; the seconds that it took.

        Raises:
            UserError: it failed.

        """
        started = time.monotonic()
        _, status = os.waitpid(self.start(command), 0)
        if status:
            tail = (self.folder / "log").read_text()[-2000:]
            raise UserError(f"{' '.join(command)} in {self.folder} ended with status {status}: {tail}")
        return time.monotonic() - started

    def killed(self, job: Job, after: float) -> bool:
        """Start a command and send it its signal after so many seconds; whether its result was not there by then."""
        process = self.start(job.command)
        time.sleep(after)
        sent = time.monotonic()
        if not any(self.folder.glob(job.done)):  # else the same command would rightly begin anew
            os.kill(process, job.signal)
        code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        if code == 0:
            return False
        self.late += time.monotonic() - sent > _PATIENCE or code not in (-job.signal, 128 + job.signal)
        end = time.monotonic() + _ENDS
        while (left := _session(process)) and time.monotonic() < end:
            time.sleep(0.05)
        for orphan in left:
            self.orphans += 1
            os.kill(orphan, signal.SIGKILL)
        return True

    def start(self, command: tuple[str, ...]) -> int:
        """A copy of this process, which has loaded torch, becomes the command, in a session of its own."""
        module = import_module(f"nextlat_rl.{command[0]}")
        import_module(f"nextlat_rl.cli.{command[0]}")
        import_module("tensorboard.backend.event_processing.event_accumulator")
        runs = [str(run.relative_to(self.folder)) for run in self.folder.glob("runs/*/*")]
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)  # until the copy is inside its `try`
        process = os.fork()
        if process:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
            return process
        code = 1
        try:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
            os.setsid()
            os.chdir(self.folder)
            log = os.open("log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(log, 1)
            os.dup2(log, 2)
            folders = {"MINARI_DATASETS_PATH": "data", "NEXTLAT_CACHE": "stores"}
            os.environ |= {name: str(self.folder / folder) for name, folder in folders.items()}
            sys.argv = [option.replace("RUN", runs[0]) if "RUN" in option else option for option in command]
            module.main()
            code = 0
        except KeyboardInterrupt:
            code = 128 + signal.SIGINT  # before the command had begun
        except SystemExit as ended:
            code = int(ended.code or 0)
        except Exception:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def found(self) -> Found:
        """What lies here now."""
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        logging.getLogger("tensorboard").setLevel(logging.ERROR)  # it warns of what is hidden
        found = Found(orphans=self.orphans, late=self.late)
        content = found.content
        for file in sorted(self.folder.rglob("*")):
            name = _STAMP.sub("TIME", str(file.relative_to(self.folder)))
            if any(file.match(pattern) for pattern in _LEFT):
                found.leftovers += 1
            elif file.suffix == ".safetensors":
                content.setdefault(name, []).append(file.read_bytes())
            elif file.name == "manifest.json":
                seals = json.loads(file.read_text())
                del seals["meta.json"]  # of a second round it names the run, by its time
                content.setdefault(re.sub("-[0-9a-f]{20}-", "-", name), []).append(seals)
            elif file.name == "results.json" or file.match("evaluation-*.json"):
                content.setdefault(name, []).append(_plain(json.loads(file.read_text())))
            elif file.is_dir() and (file.match("evaluation-*") or file.match("draft-*")):
                found.leftovers += not file.with_name(f"{file.name}.json").exists()
            elif file.match("runs/*/*") or file.match("improved-*"):
                found.leftovers += file.is_dir() and not any(file.glob("**/step-*/config.json"))
                events = EventAccumulator(str(file), size_guidance={"scalars": 0}).Reload()
                for tag in events.Tags()["scalars"]:
                    points = Counter(point.step for point in events.Scalars(tag))
                    found.doubled += points.total() - len(points)
                    content.setdefault(f"{name} {tag}", []).append(points)
        return found


def _plain(rows: list[dict[str, Any]]) -> str:
    """Rows without what depends on when and how fast they were measured."""
    kept = [{name: value for name, value in row.items() if name not in _VOLATILE} for row in rows]
    return _STAMP.sub("TIME", json.dumps(kept))


def _session(leader: int) -> list[int]:
    """The living processes of a session."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        if int(fields[3]) == leader and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found
