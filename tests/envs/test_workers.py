"""Processes that gather: one that is killed gives one line, and all end with the process that started them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nextlat_rl.envs.workers import parallel_episodes
from nextlat_rl.errors import UserError

PICTURES = "tests.helpers.pictures:Pictures-v0"
GATHER = f"""
import multiprocessing, time
from nextlat_rl.envs.workers import parallel_episodes
if __name__ == "__main__":
    source = parallel_episodes("{PICTURES}", "random", 0.0, 0, None, 2)
    next(source)
    print(*(process.pid for process in multiprocessing.active_children()), flush=True)
    time.sleep(60)
"""


def test_a_worker_killed_while_it_sends_pictures_gives_one_line_and_no_process_stays() -> None:
    source = parallel_episodes(PICTURES, "random", 0.0, 0, None, 2)
    next(source)
    time.sleep(0.5)  # by now the pipes are full: both are in the middle of sending
    victim = multiprocessing.active_children()[0]
    os.kill(victim.pid or 0, signal.SIGKILL)
    started = time.monotonic()
    with pytest.raises(UserError, match=r"ended \(exit code -9; .*run the same command again") as caught:
        list(source)
    assert time.monotonic() - started < 60 and "\n" not in str(caught.value)
    assert not multiprocessing.active_children()


def test_workers_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(GATHER)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    parent = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True, env=environment)
    assert parent.stdout is not None
    workers = [int(word) for word in parent.stdout.readline().split()]
    assert len(workers) == 2
    parent.kill()
    parent.wait()
    end = time.monotonic() + 30
    while alive := [worker for worker in workers if _runs(worker)]:
        assert time.monotonic() < end, alive
        time.sleep(0.05)


def _runs(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
