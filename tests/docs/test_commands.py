"""Every command that README and docs show exists and its options go together; every error shown is the real one."""

from __future__ import annotations

import importlib
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from benchmarks.options import parse
from benchmarks.suite import SUITES, chosen_parts
from nextlat_rl.jobs.compose import compose
from tests.helpers.pages import PAGES, ROOT, commands, fenced, name_of

SHOWN = sorted(
    {command for page in PAGES for block in fenced(page, "sh") for command in commands(block)}
    | {match for page in PAGES for match in re.findall(r"`(python -m [^`\n]+)`", page.read_text())}
)
ERRORS = [
    (name_of(page), command, error)
    for page in PAGES
    for block in fenced(page, "console")
    for command, error in re.findall(r"^\$ (.*)\n(.*)$", block, re.MULTILINE)
]


def settings_class(module: Any, monkeypatch: pytest.MonkeyPatch) -> tuple[str, type[Any]]:
    """The name and the settings of an entry point: what it hands to the parser."""
    given: list[Any] = []
    monkeypatch.setattr(module, "run", lambda *arguments: given.extend(arguments))
    module.main()
    return given[0], given[1]


@pytest.mark.parametrize("command", [c for c in SHOWN if c.startswith("python -m nextlat_rl")])
def test_the_options_of_a_shown_command_go_together(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _, _, module, *options = shlex.split(re.sub(r"<([^>]*)>", r"\1", command))
    name, cls = settings_class(importlib.import_module(module), monkeypatch)
    several = "--multirun" in options
    chosen = [option for option in options if not option.startswith("--") and not option.endswith("=...")]
    config = compose(name, cls, [option.split(",")[0] if several else option for option in chosen])
    assert isinstance(config, cls)


@pytest.mark.parametrize("command", [c for c in SHOWN if " -m benchmarks" in c])
def test_the_parts_of_a_shown_benchmark_exist(command: str) -> None:
    arguments = shlex.split(re.sub(r"<[^>]*>", "x", command.split(" -m benchmarks")[1]))
    action, options = parse([argument for argument in arguments if argument != "--help"])
    if action != "render" and options.suite:
        assert chosen_parts(SUITES.load(options.suite), options)


def test_other_commands_are_known() -> None:
    others = [c for c in SHOWN if not re.search(r" -m (nextlat_rl|benchmarks)", c)]
    known = (
        r"git clone|cd |pip install|(NEXTLAT_FUZZ=\d+ )?pytest|python -m tests\.|tensorboard|mkdocs build|pre-commit"
    )
    known += r"|python3 -m venv|\. \.venv"
    assert not [c for c in others if not re.match(rf"{known}|make (check|docs|build|oldest|newest)$", c)]
    for script in re.findall(r"python (examples/\w+\.py)", "\n".join(others)):
        assert (ROOT / script).exists()


@pytest.mark.parametrize(("page", "command", "error"), ERRORS, ids=[f"{page}-{c[10:60]}" for page, c, _ in ERRORS])
def test_bad_input_gets_the_error_that_is_shown(
    page: str,
    command: str,
    error: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    monkeypatch.setenv("NEXTLAT_CACHE", str(tmp_path / "stores"))
    monkeypatch.chdir(tmp_path)
    _, _, module, *options = shlex.split(command)
    monkeypatch.setattr("sys.argv", [module, *options])
    with pytest.raises(SystemExit) as stopped:
        importlib.import_module("benchmarks.__main__" if module == "benchmarks" else module).main()
    assert (stopped.value.code, capsys.readouterr().err.strip()) == (2, error)
