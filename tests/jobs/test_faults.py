"""Whichever write fails or is the last: one line, nothing half written, and the same command comes through."""

from __future__ import annotations

import errno
import json
import os
import random
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from minari import MinariDataset
from PIL import Image

from benchmarks.suites.trust.area import Area
from benchmarks.suites.trust.jobs import JOBS
from nextlat_rl.data.store import Store
from nextlat_rl.training import checkpoint
from tests.helpers.faults import DIED, DIES, HALF, POWER, Ended, Faults, faults

COMMAND = (
    *JOBS["train"].command,
    *("trainer.steps=4", "trainer.dynamics_finetune_steps=2", "trainer.save_every=2", "trainer.eval_every=0"),
)
ERRORS = (errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EMFILE)
DEATHS = (DIES, HALF, POWER)


class Bench:
    """An area without a fault, and areas in which one is put."""

    def __init__(self, folder: Path, server: Faults) -> None:
        self.folder, self.server = folder, server
        whole = Area(folder / "whole")
        ended = server.run(whole.folder, COMMAND)
        assert ended.code == 0, ended.log
        self.calls, self.wanted = ended.calls, whole.found()

    def check(self, at: int, kind: int, again: bool = False) -> Ended:
        """Put a fault, look at what is left, and run the command again."""
        area = Area(self.folder / f"{at}-{kind}")
        try:
            ended = self.server.run(area.folder, COMMAND, at, kind, again)
            where = f"call {at} ({self.calls[at - 1]}) with {kind}: {ended.log}"
            assert (ended.code == DIED) if kind in DEATHS else is_told(ended), where
            loads(area.folder)
            for left in area.folder.rglob("*"):  # a minute later: a living process could be writing it
                if left.name.startswith(".part-") or (left.is_dir() and not any(left.iterdir())):
                    os.utime(left, (0, 0))
            if not any(area.folder.glob("runs/*/*/results.json")):  # else the same command would rightly begin anew
                rerun = self.server.run(area.folder, COMMAND)
                assert rerun.code == 0, where + rerun.log
            found = area.found().compared_with(self.wanted)
            lost = ended.code == 0 and "TensorBoard" in ended.log  # with a warning, which is the price
            other = [name for name in found.content["other"] if not (lost and "TIME " in name)]
            assert not other and not found.doubled and not found.leftovers, (where, other, found)
            return ended
        finally:
            shutil.rmtree(area.folder)


def is_told(ended: Ended) -> bool:
    """Whether a command ended with one line that names a file, or, after training, with a warning and its result."""
    if "Traceback" in ended.log:
        return False
    errors = [line for line in ended.log.splitlines() if line.startswith("error: ")]
    if ended.code == 2:
        names = len(errors) == 1 and ("/" in errors[0] or "runs" in errors[0])
        return names and ended.log.rstrip().endswith(errors[0])
    return ended.code == 0 and not errors and "Done in" in ended.log


def loads(area: Path) -> None:
    """Require that everything under its final name is whole."""
    for file in area.glob("data/**/data/metadata.json"):
        if "unfinished_" not in str(file):
            assert MinariDataset(file.parent).total_episodes
    for folder in area.glob("stores/*-3"):
        if not folder.name.startswith("."):
            Store.open(folder, verify=True)
    for folder in area.glob("runs/*/*/checkpoints/step-*"):
        checkpoint.load_model(folder, torch.device("cpu"))
    for file in (file for ending in ("json", "png", "gif", "yaml") for file in area.glob(f"runs/*/*/[!.]*.{ending}")):
        if file.suffix == ".json":
            json.loads(file.read_text())
        elif file.suffix == ".yaml":
            assert file.read_text().endswith("\n")
        else:
            Image.open(file).load()


def kinds_of_calls(calls: list[str]) -> dict[str, list[int]]:
    """The numbers of the calls, from 1, by what they do to which kind of file."""
    found: dict[str, list[int]] = {}
    for number, call in enumerate(calls, 1):
        name = re.sub(r"[0-9a-f]{32}|step-\d+(\.\d+)?|\.tmp\w+|\d{8}-\d{6}|tfevents\S+", "*", call)
        found.setdefault(name, []).append(number)
    return found


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    if shutil.which("cc") is None:
        pytest.skip("needs a C compiler")
    folder = tmp_path_factory.mktemp("faults")
    with faults(folder) as server:
        yield Bench(folder, server)


@pytest.mark.parametrize("kind", [errno.ENOSPC, DIES, HALF, POWER])
def test_a_command_comes_through_after_a_fault_at_some_writes(bench: Bench, kind: int) -> None:
    draw = random.Random(kind)
    for numbers in draw.sample(sorted(kinds_of_calls(bench.calls).values()), 1):
        bench.check(draw.choice(numbers), kind)


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("kind", [*ERRORS, *DEATHS])
def test_a_command_comes_through_after_a_fault_at_any_write(bench: Bench, kind: int) -> None:
    failed = {}
    for numbers in kinds_of_calls(bench.calls).values():
        for number in sorted({numbers[0], numbers[len(numbers) // 2], numbers[-1]}):
            try:
                bench.check(number, kind)
            except Exception as error:
                failed[bench.calls[number - 1]] = str(error)
    assert not failed
