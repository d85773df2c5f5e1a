"""Result rows: where a figure comes from, and writing it to a file."""

import json
import shlex
import subprocess
import sys
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, get_type_hints

from nextlat_rl.durable import write_text
from nextlat_rl.errors import UserError

RESULT_VERSION = 1

# Changes of these files leave what is measured as it is.
_NOT_CODE = ("benchmarks/results", "docs", "README.md", "CHANGELOG.md")


@dataclass(frozen=True)
class Provenance:
    """How, on what and when a result was measured. Every field is mandatory.

    Attributes:
        command: what was typed.
        git_revision: commit of the code; `unknown` outside a checkout.
        dirty: the code may differ from that commit.
        seed: training seed, or the seed of what was measured.
        device: `cpu`, `cuda`, ...
        cores: CPU threads that were used.
        date: ISO 8601, UTC.

    Raises:
        UserError: a field is empty or of the wrong type.
    """

    command: str
    git_revision: str
    dirty: bool
    seed: int
    device: str
    cores: int
    date: str

    def __post_init__(self) -> None:
        for name, kind in get_type_hints(type(self)).items():
            value = getattr(self, name)
            if type(value) is not kind or value == "":
                raise UserError(f"a result needs {name}; got {value!r}, which is no {kind.__name__} or empty")
        if self.cores < 1:
            raise UserError(f"a result needs cores; got {self.cores}")
        try:
            datetime.fromisoformat(self.date)
        except ValueError:
            raise UserError(f"a result needs an ISO 8601 date; got {self.date!r}") from None

    def as_dict(self) -> dict[str, Any]:
        """The fields by name and the version of the format, as they stand in a row."""
        return {"version": RESULT_VERSION} | asdict(self)


def provenance(command: str | None = None, *, seed: int, device: str, cores: int | None = None) -> Provenance:
    """Provenance of what is measured now by this process.

    Args:
        command: what was typed; taken from the command line if None.
        seed: see `Provenance`.
        device: see `Provenance`.
        cores: see `Provenance`; torch's thread count if None.
    """
    if cores is None:
        import torch

        cores = torch.get_num_threads()
    revision, dirty = code_version()
    date = datetime.now(UTC).isoformat(timespec="seconds")
    return Provenance(command or typed_command(), revision, dirty, seed, device, cores, date)


def typed_command() -> str:
    """This process's command line as a person would type it, such as `python -m nextlat_rl.train env=CartPole-v1`."""
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    if spec is not None:
        start = ["python", "-m", spec.name.removesuffix(".__main__")]
    else:
        name = Path(sys.argv[0]).name
        installed = name and not name.startswith("-") and not name.endswith(".py")
        start = [name] if installed else ["python", *([name] if name else [])]
    return shlex.join([*start, *sys.argv[1:]])


@cache
def code_version() -> tuple[str, bool]:
    """Commit of the checkout this code runs from and whether tracked code differs from it; `unknown` outside one."""
    try:
        _git("ls-files", "--error-unmatch", Path(__file__).name)  # not the checkout that a virtual environment lies in
        top = _git("rev-parse", "--show-toplevel")
        excluded = [f":(exclude){name}" for name in _NOT_CODE]
        changed = _git("-C", top, "status", "--porcelain", "--untracked-files=no", "--", ".", *excluded)
        return _git("rev-parse", "--short", "HEAD"), bool(changed)
    except (OSError, subprocess.SubprocessError):
        return "unknown", True


def git_revision() -> str:
    """Commit of the checkout this code runs from, with `-dirty` if tracked code differs; `unknown` outside one."""
    revision, dirty = code_version()
    return f"{revision}-dirty" if dirty and revision != "unknown" else revision


def _git(*arguments: str) -> str:
    """Output of a git command in this file's folder."""
    done = subprocess.run(
        ["git", *arguments], cwd=Path(__file__).parent, capture_output=True, text=True, timeout=5, check=True
    )
    return done.stdout.strip()


def write_json(path: Path, content: Any) -> None:
    """Write JSON, see `nextlat_rl.durable.replaced`."""
    write_text(path, json.dumps(content, indent=1) + "\n")
