"""Suite trust notices what a kill can do: other bytes, what is left, points twice or missing."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from benchmarks.options import Options
from benchmarks.rows import Row
from benchmarks.suite import SUITES
from benchmarks.suites.trust import memory_table, mutated_table
from benchmarks.suites.trust.area import Area, Found
from benchmarks.suites.trust.jobs import JOBS
from benchmarks.suites.trust.mutated import Case, cases, outcomes
from nextlat_rl.console import make_console
from nextlat_rl.errors import UserError
from nextlat_rl.training.tracking import Tracker

RUN = "runs/CartPole-v1/20260101-00000{}"


def made(folder: Path, number: int, steps: tuple[int, ...] = (1, 2)) -> Area:
    """An area with one run, which began at another time."""
    area = Area(folder)
    run = folder / RUN.format(number)
    weights = run / "checkpoints" / "step-00000002"
    weights.mkdir(parents=True)
    (weights / "config.json").touch()
    (weights / "model.safetensors").write_bytes(b"weights")
    (run / "results.json").write_text(json.dumps([{"return_mean": 1.0, "date": str(number), "run": str(run)}]))
    tracker = Tracker(run)
    for step in steps:
        tracker.scalars({"loss/policy": 0.5}, step)
    tracker.close()
    return area


def compared(tmp_path: Path, area: Area) -> dict[str, int]:
    return area.found().compared_with(made(tmp_path / "whole", 0).found()).as_dict()


NOTHING = Found().as_dict()


def test_runs_that_differ_in_their_time_alone_are_equal(tmp_path: Path) -> None:
    assert compared(tmp_path, made(tmp_path / "killed", 1)) == NOTHING | {"equal": 1}


@pytest.mark.parametrize(
    ("steps", "count"), [((1, 2, 2), {"doubled": 1}), ((1,), {"missing": 1}), ((2, 2), {"doubled": 1, "missing": 1})]
)
def test_points_twice_and_missing_points_are_counted(tmp_path: Path, steps: tuple[int, ...], count: dict) -> None:
    assert compared(tmp_path, made(tmp_path / "killed", 1, steps)) == NOTHING | count


@pytest.mark.parametrize("file", ["checkpoints/step-00000002/model.safetensors", "results.json"])
def test_other_weights_or_results_are_not_equal(tmp_path: Path, file: str) -> None:
    area = made(tmp_path / "killed", 1)
    (area.folder / RUN.format(1) / file).write_text("[{}]")
    assert compared(tmp_path, area) == NOTHING


@pytest.mark.parametrize(
    "left", ["data/unfinished_1-v0", "stores/.building-1", f"{RUN.format(1)}/.lock", RUN.format(2)]
)
def test_what_is_left_is_counted(tmp_path: Path, left: str) -> None:
    area = made(tmp_path / "killed", 1)
    (area.folder / left).mkdir(parents=True)
    assert compared(tmp_path, area) == NOTHING | {"equal": 1, "leftovers": 1}


def test_a_command_that_is_killed_leaves_no_process_and_one_that_ends_is_not_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seconds, was_at_work in ((30.0, True), (0.0, False)):
        area = Area(tmp_path / str(seconds))
        monkeypatch.setattr("nextlat_rl.train.main", lambda seconds=seconds: __import__("time").sleep(seconds))
        assert area.killed(JOBS["train"], 0.3) == was_at_work
        assert (area.orphans, area.late) == (0, 0)


QUIET = make_console(True)


def test_cases_are_many_and_no_two_are_the_same() -> None:
    known = cases()
    assert len(known) >= 120 and len({(case.name, case.file, case.command) for case in known}) == len(known)


@pytest.mark.parametrize(
    ("said", "code", "outcome"),
    [
        ("error: the file model.safetensors is broken", 2, "clear"),
        ("error: the file model.safetensors is broken", 1, "other"),
        ("all is well", 0, "other"),
        ("Traceback (most recent call last):\nerror: the file model.safetensors is broken", 2, "other"),
    ],
)
def test_only_one_line_with_exit_code_2_is_clear(
    said: str, code: int, outcome: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    area = made(tmp_path / "area", 0)
    (area.folder / "log").touch()
    (area.folder / "data" / "some" / "set-v0" / "data").mkdir(parents=True)

    def main() -> None:
        os.write(1, said.encode())
        raise SystemExit(code)

    monkeypatch.setattr("nextlat_rl.train.main", main)
    weights = next(area.folder.glob("runs/*/*/checkpoints/*/model.safetensors"))
    case = Case("gone", "runs/*/*/checkpoints/*/model.safetensors", Path.unlink, ("train",))
    ((_, found),) = outcomes(area, [case])
    assert found.partition(":")[0] == outcome and weights.read_bytes() == b"weights"


def test_a_fault_ends_the_command_with_an_error_after_its_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    grown = {"steps": 10, "mb_before": 100.0, "mb_after": 102.0, "growth": 0.02}
    monkeypatch.setattr("benchmarks.suites.trust.grown", lambda steps: iter([("acting", grown)]))
    found: list[Row] = []
    with pytest.raises(UserError, match=r"memory: memory grows by 2.0% while acting"):
        found += SUITES.load("trust").measure_all(["memory"], Options(runs=str(tmp_path)), QUIET)
    rows = list(SUITES.load("trust").measure_all(["memory"], Options(runs=str(tmp_path), quick=True), QUIET))
    assert memory_table(rows).lines == [["acting", "10", "100.0", "102.0", "+2.00%"]]
    assert mutated_table(rows).lines == [] and "No rows" in mutated_table(rows).markdown()
