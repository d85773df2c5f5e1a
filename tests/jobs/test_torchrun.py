"""The main job in several processes that torchrun starts: the result of one process, whatever happens to the others."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor

from nextlat_rl.collect import main as collect
from nextlat_rl.console import make_console
from nextlat_rl.errors import UserError
from nextlat_rl.jobs.resume import resumed_config
from nextlat_rl.jobs.training_run import train, train_model
from nextlat_rl.training import checkpoint
from nextlat_rl.training.trainer import Trainer

OPTIONS = [
    *("collect.behaviour=random", "collect.steps=200", "model.layers=1", "model.heads=1", "model.width=16"),
    *("trainer.steps=8", "trainer.dynamics_finetune_steps=3", "trainer.batch_size=4", "trainer.length=8"),
    *("trainer.eval_episodes=1", "trainer.diagnosis_episodes=0", "trainer.log_every=1", "trainer.save_every=3"),
    *("trainer.threads=1", "trainer.eval_every=4", "trainer.warmup=1"),
]


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One data set for all runs."""
    folder, patch = tmp_path_factory.mktemp("torchrun"), pytest.MonkeyPatch()
    patch.setenv("MINARI_DATASETS_PATH", str(folder / "minari"))
    patch.setenv("NEXTLAT_CACHE", str(folder / "cache"))
    yield folder
    patch.undo()


def start(runs: Path, *options: str, fault: str = "") -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "-m"]
    command += ["tests.helpers.torchrun_job", "env=CartPole-v1", *OPTIONS, *options, f"runs={runs}"]
    variables = os.environ | {"FAULT": fault or "- - -", "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=variables)


def alone(folder: Path, name: str, *options: str) -> Path:
    made = train_model("CartPole-v1", "auto", [*OPTIONS, *options], runs=str(folder), name=name, quiet=True)
    return made.folder


def only_run(runs: Path) -> Path:
    (run,) = runs.glob("*/*")
    return run


def learned(run: Path) -> tuple[dict[str, Tensor], dict[int, float]]:
    """The final weights, and the curve of the loss."""
    points: list[Any] = EventAccumulator(str(run)).Reload().Scalars("train/loss")
    curve = {point.step: point.value for point in points}
    assert len(curve) == len(points)
    return checkpoint.load_model(run, torch.device("cpu"))[0].state_dict(), curve


def assert_same(run: Path, other: Path) -> None:
    (weights, curve), (others, other_curve) = learned(run), learned(other)
    assert curve == other_curve and [*curve] == [*range(1, 12)]
    assert all(torch.equal(weight, others[name]) for name, weight in weights.items())


def test_two_processes_are_one_also_after_a_roll_back(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = start(folder / "two", fault="1 5 nan")
    losses, left = Trainer._losses, [5]

    def poisoned(self: Trainer, batch: Any, own: int, generator: torch.Generator) -> dict[str, Tensor]:
        found = losses(self, batch, own, generator)
        if own != 1 or [self.step] != left:
            return found
        left.clear()
        return {name: torch.nan * value for name, value in found.items()}

    monkeypatch.setattr(Trainer, "_losses", poisoned)
    printed, errors = job.communicate(timeout=280)
    assert job.returncode == 0, errors
    one = alone(folder, "one", "trainer.microbatches=2")
    assert_same(only_run(folder / "two"), one)
    for line in ("Training nextlat", "going on from the checkpoint of step 3", "Done in"):
        assert printed.count(line) == 1
    saved = checkpoint.load_config(only_run(folder / "two"))
    assert saved["train_config"]["trainer"]["microbatches"] == 2 and saved["left_out"] == 5


def test_a_killed_process_ends_all_with_one_line_and_one_process_goes_on(folder: Path) -> None:
    _, errors = start(folder / "killed", fault="1 5 kill").communicate(timeout=280)
    run = only_run(folder / "killed")
    assert errors.count("another process of torchrun has died") == 1
    assert f"the last checkpoint is kept: resume={run}\n" in errors
    assert checkpoint.load_config(run)["step"] == 3
    train(resumed_config(str(run), []), make_console(quiet=True, silent=True))
    assert_same(run, alone(folder, "undisturbed", "trainer.microbatches=2"))


def test_sigterm_ends_all_within_seconds_and_keeps_a_checkpoint(folder: Path) -> None:
    job = start(folder / "ended", "trainer.steps=100000")
    while not [*(folder / "ended").glob("*/*/checkpoints/step-*[1-9]")]:
        time.sleep(0.1)
    processes = Path(f"/proc/{job.pid}/task/{job.pid}/children").read_text().split()
    job.send_signal(signal.SIGTERM)
    sent = time.monotonic()
    while any(Path(f"/proc/{process}").exists() for process in processes):
        time.sleep(0.05)
    assert len(processes) == 2 and time.monotonic() - sent < 5
    printed, errors = job.communicate(timeout=60)  # torchrun's own end takes longer
    assert job.returncode != 0
    assert "error:" not in errors and "interrupted" not in errors
    stopped = re.search(r"Stopped at step ([\d,]+) of .*; the checkpoint of step ([\d,]+) is kept", printed)
    assert stopped is not None and stopped[1] == stopped[2], printed


def test_other_commands_refuse_torchrun_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")  # as torchrun sets it
    for rank, said in (("0", "error: collect runs in one process: start it without torchrun\n"), ("1", "")):
        monkeypatch.setenv("RANK", rank)
        with pytest.raises(SystemExit, match="2"):
            collect()
        assert capsys.readouterr() == ("", said)


def test_what_cannot_be_divided_is_refused_before_anything_is_gathered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    with pytest.raises(UserError, match=r"batch_size=4 windows cannot be divided into 3 equal shares"):
        alone(tmp_path, "", "trainer.microbatches=3")
    monkeypatch.setattr("nextlat_rl.training.distributed.rank_and_world_size", lambda: (0, 2))
    with pytest.raises(UserError, match=r"microbatches=1 shares of a batch cannot be divided among 2 processes"):
        alone(tmp_path, "", "trainer.microbatches=1")
    assert not [*tmp_path.iterdir()]
