"""`--multirun`: every job reports, a failing one stops no other, and nothing is left behind."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from nextlat_rl.console import print_result
from nextlat_rl.errors import UserError


@pytest.fixture
def main(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The main job's command; instead of training it prints the seed as its result, and odd ones fail."""
    command = importlib.import_module("nextlat_rl.cli.train")

    def job(config: Any, console: Any, typed: list[str]) -> list[dict[str, Any]]:
        print("talk of an environment")
        if config.seed % 2:
            raise RuntimeError("odd") if config.seed == 3 else UserError("seed 1 is refused")
        return [{"seed": config.seed}]

    monkeypatch.setattr(command, "run_job", job)
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["train", *arguments])
        try:
            importlib.import_module("nextlat_rl.train").main()
        except SystemExit as stop:
            return int(stop.code or 0)
        return 0

    return run


def test_a_failing_job_stops_no_other_and_each_has_its_line(
    main: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main("--multirun", "env=CartPole-v1", "seed=0,1,2", "json=true") == 2
    out, err = capfd.readouterr()
    first, second, third = json.loads(out)
    assert (first["result"], third["result"]) == ([{"seed": 0}], [{"seed": 2}])
    assert second["error"] == "seed 1 is refused" and "seed=1" in second["options"] and "result" not in second
    lines = err.splitlines()[-3:]
    assert lines[0].startswith("job 1 (") and lines[0].endswith("seed=0 json=True): done")
    assert lines[1].endswith("failed: seed 1 is refused") and lines[2].endswith("done")
    assert list(tmp_path.iterdir()) == []


def test_a_fault_and_a_refused_setting_stop_no_other_job_either(main: Any, capfd: pytest.CaptureFixture[str]) -> None:
    assert main("-m", "env=CartPole-v1", "seed=3,-1,4") == 2
    out, err = capfd.readouterr()
    ends = [line.partition("): ")[2] for line in err.splitlines()[-3:]]
    assert ends == ["failed: RuntimeError: odd (a fault of this program)", "failed: seed=-1 must be at least 0", "done"]
    assert "Traceback" in err and '"seed"' not in out


def test_all_jobs_done_is_exit_code_0(main: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main("--multirun", "env=CartPole-v1", "seed=0,2") == 0
    assert list(tmp_path.iterdir()) == []
    print_result([1])  # printed again after the jobs
    assert capfd.readouterr().out.endswith("[\n 1\n]\n")
