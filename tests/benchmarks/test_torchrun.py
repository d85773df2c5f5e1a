"""`suite=paper` in several processes that torchrun starts; no other suite."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.__main__ import measure
from benchmarks.options import Options
from nextlat_rl.errors import UserError


def launch(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    command += ["-m", "benchmarks.__main__", *options]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=280, env=dict(os.environ))


def test_the_papers_suite_runs_under_torchrun(tmp_path: Path) -> None:
    done = launch("suite=paper", "only=WordProblem", "quick=true", "json=true", f"runs={tmp_path}")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)  # printed once, not by each process
    assert json.loads((tmp_path / "benchmarks" / "paper.json").read_text()) == rows
    assert {row["agent"] for row in rows} == {"gpt", "nextlat", "nextlat, recurrent"}
    assert all(row["extra"]["processes"] == 2 and np.isfinite(row["value"]) for row in rows)


def test_torchrun_is_for_the_papers_suite_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")  # as torchrun sets it
    with pytest.raises(UserError, match="suite=train runs in one process; start it without torchrun"):
        measure(Options(suite="train", runs=str(tmp_path)))
    assert not [*tmp_path.iterdir()]
