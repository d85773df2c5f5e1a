"""Rows carry their provenance, and files of them are checked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.rows import RESULTS, Row, make_row, merge_rows, read_rows, write_rows
from nextlat_rl.errors import UserError
from tests.helpers.rows import made_row


def test_a_row_without_provenance_is_refused() -> None:
    with pytest.raises(UserError, match="a row of suite=train has no provenance"):
        Row("train", "A", "policy", None)  # type: ignore[arg-type]


def test_rows_are_read_as_they_were_written(tmp_path: Path) -> None:
    file = tmp_path / "rows.json"
    rows = [made_row(return_mean=0.5, extra={"gap": 0.25}), made_row(seed=1, measure="solved", value=0.0)]
    write_rows(file, rows)
    assert read_rows(file) == rows
    assert json.loads(file.read_text())[0]["git_revision"] == "abc1234"
    assert rows[0].figure("return_mean") == 0.5 and rows[0].figure("gap") == 0.25
    assert rows[0].figure("nothing") is None


def test_rows_measured_again_take_the_place_of_the_old_ones(tmp_path: Path) -> None:
    file = tmp_path / "rows.json"
    write_rows(
        file, [made_row(return_mean=1.0), made_row(seed=1, return_mean=2.0), made_row("B"), made_row(size="gpu")]
    )
    write_rows(file, [made_row(return_mean=3.0), made_row(agent="planner")])
    rows = read_rows(file)
    assert [(row.part, row.agent, row.seed, row.size, row.return_mean) for row in rows] == [
        ("A", "policy", 0, "", 3.0),
        ("A", "policy", 1, "", 2.0),
        ("B", "policy", 0, "", None),
        ("A", "policy", 0, "gpu", None),
        ("A", "planner", 0, "", None),
    ]
    assert merge_rows([made_row(measure="a")], [made_row(measure="b")]) == [
        made_row(measure="a"),
        made_row(measure="b"),
    ]


def test_a_row_of_a_job_keeps_its_figures_and_takes_the_benchmarks_provenance() -> None:
    printed = {"agent": "trunk", "return_mean": 0.5, "imagined_gap": 0.1, "git_revision": "other", "seed": 7}
    row = make_row("train", "A", "policy", made_row().provenance, printed)
    assert (row.agent, row.return_mean, row.extra) == ("policy", 0.5, {"imagined_gap": 0.1})
    assert row.provenance == made_row().provenance


def _broken(**changes: Any) -> dict[str, Any]:
    values = made_row().as_dict() | changes
    return {name: value for name, value in values.items() if value is not None}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{}", "is not a JSON list of rows"),
        ("[1]", "row 0: not an object"),
        (json.dumps([_broken(), _broken(version=99)]), "row 1: version 99 is unknown"),
        (json.dumps([_broken(command=None)]), "row 0: lacks command"),
        (json.dumps([_broken(dirty=None, agent=None)]), "row 0: lacks agent, dirty"),
        (json.dumps([_broken(command="")]), "row 0: a result needs command"),
        (json.dumps([_broken(gap=1.0)]), "row 0: has unknown fields: gap"),
    ],
)
def test_a_file_of_something_else_is_named_with_the_row(content: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "rows.json"
    file.write_text(content)
    with pytest.raises(UserError, match=message) as caught:
        read_rows(file)
    assert str(file) in str(caught.value) and "\n" not in str(caught.value)


def test_a_missing_file_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="python -m benchmarks suite="):
        read_rows(tmp_path / "none.json")


@pytest.mark.parametrize("file", sorted(RESULTS.glob("*.json")), ids=lambda file: file.stem)
def test_stored_rows_have_clean_provenance_and_stand_once(file: Path) -> None:
    rows = read_rows(file)
    assert rows and {row.suite for row in rows} == {file.stem}
    assert len({row.key for row in rows}) == len(rows)
    for row in rows:
        assert not row.provenance.dirty and row.provenance.git_revision != "unknown"
