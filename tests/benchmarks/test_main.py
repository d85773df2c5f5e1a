"""`python -m benchmarks`: its options, its errors, where rows go."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks import __main__ as command
from benchmarks.options import Options, parse
from benchmarks.rows import RESULTS, Row, read_rows
from benchmarks.suite import SUITES, Part, Suite, chosen_parts
from benchmarks.table import Table, returns_table
from nextlat_rl.errors import UserError
from tests.helpers.rows import made_row


class Toy(Suite):
    """Two seeded parts, one measured once, one apart."""

    name, about = "toy", "a toy"

    def parts(self, size: str = "cpu") -> list[Part]:
        return [Part("A"), Part("once", seeded=False), Part("long", apart=True)]

    def measure(self, part: str, seed: int, options: Options, console: Console) -> Iterator[Row]:
        yield made_row(part, seed=seed, suite="toy", return_mean=float(seed))

    def tables(self, rows: list[Row]) -> list[Table]:  # type: ignore[override]
        return [returns_table("Toy", rows)]


@pytest.fixture(autouse=True)
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    load = SUITES.load
    monkeypatch.setattr(SUITES, "load", lambda name: Toy() if name == "toy" else load(name))


def _measured(tmp_path: Path, *arguments: str) -> list[tuple[str, int]]:
    _, options = parse(["suite=toy", f"runs={tmp_path}", *arguments])
    return [(row.part, row.seed) for row in command.measure(options)]


def test_parts_are_measured_for_every_seed_and_what_is_apart_only_by_name(tmp_path: Path) -> None:
    assert _measured(tmp_path, "seeds=2", "first_seed=3") == [("A", 3), ("A", 4), ("once", 3)]
    assert _measured(tmp_path, "only=long+A") == [("long", 0), ("A", 0)]
    kept = read_rows(tmp_path / "benchmarks" / "toy.json")
    assert [(row.part, row.seed) for row in kept] == [("A", 3), ("A", 4), ("once", 3), ("long", 0), ("A", 0)]


def test_rows_are_printed_as_json_and_nothing_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _measured(tmp_path, "only=A", "json=true")
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["part"], row["git_revision"]) == ("A", "abc1234")


def test_rows_are_kept_only_of_committed_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(command, "code_version", lambda: ("abc1234", True))
    with pytest.raises(UserError, match="keep=true needs a checkout without changes"):
        _measured(tmp_path, "keep=true")
    monkeypatch.setattr(command, "code_version", lambda: ("abc1234", False))
    assert _measured(tmp_path, "keep=true", "only=A") == [("A", 0)]
    assert len(read_rows(tmp_path / "results" / "toy.json")) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["suite=none"], "suite=none is unknown; choose one of: "),
        ([], "suite= is missing; choose one of: "),
        (["suite=toy", "only=B"], "only=B is unknown; choose among A, once, long, joined with +"),
        (["suite=toy", "size=gpu"], "size=gpu is unknown to suite=toy; choose one of: cpu"),
        (["suite=toy", "seeds=0"], "seeds=0 must be at least 1"),
        (["suite=toy", "seeds=many"], "seeds=many must be a whole number"),
        (["suite=toy", "quick=yes"], "quick=yes must be true or false"),
        (["suite=toy", "quick=true", "keep=true"], "keep=true keeps measurements"),
        (["suit=toy"], "unknown option 'suit'; did you mean suite?"),
        (["draw"], "'draw' is unknown; an action is one of measure, show, render"),
        (["show", "suite=toy"], "benchmarks/results holds no rows of suite=toy"),
    ],
)
def test_bad_input_gets_one_line_and_exit_code_2(
    arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["benchmarks", *arguments])
    with pytest.raises(SystemExit) as caught:
        command.main()
    out, error = capsys.readouterr()
    assert caught.value.code == 2 and not out
    assert error.startswith("error: ") and message in error and error.count("\n") == 1


def test_help_lists_suites_and_parts(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["benchmarks", "--help"])
    command.main()
    out = capsys.readouterr().out
    for name in SUITES.names():
        assert f"\n  {name}: " in out


@pytest.mark.parametrize("name", SUITES.names())
def test_every_suite_lists_its_parts_and_shows_its_stored_rows(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    suite: Suite = SUITES.load(name)
    assert suite.name == name and suite.about
    for size in suite.sizes:
        names = [part.name for part in suite.parts(size)]
        assert names and len(set(names)) == len(names)
        assert chosen_parts(suite, Options(name, size=size))
    if (RESULTS / f"{name}.json").exists():
        monkeypatch.setattr("sys.argv", ["benchmarks", "show", f"suite={name}", f"runs={tmp_path}"])
        command.main()
        assert capsys.readouterr().out
