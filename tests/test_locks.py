"""Locks end with their process, and what a dead process left is swept while the living keep theirs."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from nextlat_rl import notices
from nextlat_rl.errors import UserError
from nextlat_rl.locks import OWNER, claim, filled, is_held, locked, scratch_folder, sweep, sweep_files, sweep_unfinished

HOLD = """
import sys, time
from pathlib import Path
from nextlat_rl.locks import scratch_folder
with scratch_folder(Path(sys.argv[1]), "part_") as folder:
    folder.mkdir()
    (folder / "half").write_text("half")
    print("ready", flush=True)
    time.sleep(60)
"""


def test_a_second_holder_gets_one_line_and_the_next_one_the_lock(tmp_path: Path) -> None:
    lock = tmp_path / OWNER
    with locked(lock, "in use"):
        assert is_held(lock)
        with pytest.raises(UserError, match="in use"), locked(lock, "in use"):
            pass
    with locked(lock, "in use"):
        pass
    assert not lock.exists() and not is_held(lock)


def test_what_a_killed_process_was_filling_is_swept_and_a_living_ones_stays(tmp_path: Path) -> None:
    processes = [
        subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    try:
        for process in processes:
            assert process.stdout is not None and process.stdout.readline() == "ready\n"
        os.kill(processes[0].pid, signal.SIGKILL)
        processes[0].wait()
        sweep(tmp_path, "part_")
        (folder,) = (path for path in tmp_path.iterdir() if path.is_dir())
        assert (folder / "half").read_text() == "half" and is_held(folder.with_name(f"{folder.name}.lock"))
    finally:
        for process in processes:
            process.kill()
            process.wait()
    sweep(tmp_path, "part_")
    assert not any(tmp_path.iterdir())


def test_a_scratch_folder_that_was_moved_away_stays_and_one_that_was_not_goes(tmp_path: Path) -> None:
    with scratch_folder(tmp_path, "part_") as folder:
        folder.mkdir()
        folder.rename(tmp_path / "whole")
    with pytest.raises(ZeroDivisionError), scratch_folder(tmp_path, "part_") as folder:
        folder.mkdir()
        raise ZeroDivisionError
    assert [path.name for path in tmp_path.iterdir()] == ["whole"]


def test_unfinished_folders_of_the_dead_go_and_all_others_stay(tmp_path: Path) -> None:
    for name in ("dead", "done", "alive", "foreign"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").touch()
    for name in ("dead", "done"):
        (tmp_path / name / OWNER).touch()
    with locked(tmp_path / "alive" / OWNER, "in use"):
        sweep_unfinished(tmp_path.iterdir(), lambda folder: folder.name == "done")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["alive", "done", "foreign"]
    assert not (tmp_path / "done" / OWNER).exists()


def test_a_folder_goes_again_unless_it_was_finished(tmp_path: Path) -> None:
    with filled(tmp_path / "run", "runs=", lambda folder: (folder / "result").exists()) as first:
        pass
    with filled(tmp_path / "run", "runs=", lambda folder: (folder / "result").exists()) as second:
        (second / "result").touch()
    assert first == second and [path.name for path in second.iterdir()] == ["result"]


def test_two_at_once_never_get_the_same_folder(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        folders = list(pool.map(lambda _: claim(tmp_path / "evaluation", "runs="), range(32)))
    assert len(set(folders)) == 32 and all(folder.is_dir() for folder in folders)
    assert {"evaluation", "evaluation-2", "evaluation-32"} <= {folder.name for folder in folders}


def test_half_written_files_are_swept_once_nobody_can_be_writing_them(tmp_path: Path) -> None:
    old, new = tmp_path / ".results.json.1", tmp_path / ".results.json.2"
    old.touch()
    new.touch()
    os.utime(old, (0, 0))
    sweep_files(tmp_path, ".*.json.*")
    assert [path.name for path in tmp_path.iterdir()] == [new.name]


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"cannot create the folder .*file/run .*; choose another with runs="):
        claim(tmp_path / "file" / "run", "runs=")


def test_a_link_to_nothing_on_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "runs").symlink_to(tmp_path / "gone" / "away")
    with pytest.raises(UserError, match="cannot create the folder"):
        claim(tmp_path / "runs" / "run", "runs=")


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOTSUP, errno.EINVAL])
def test_a_file_system_without_locks_costs_one_warning_and_nothing_is_swept(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(handle: int, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", no_locks)
    monkeypatch.setattr(notices, "_SAID", {})
    with pytest.warns(notices.NextLatWarning, match="has no locks") as heard:
        for _ in range(2):
            with filled(tmp_path / "run", "runs=", lambda folder: (folder / "done").exists()) as folder:
                (folder / "done").touch()
    assert len(heard) == 1 and not list(tmp_path.rglob(OWNER))
    (tmp_path / "run" / OWNER).touch()
    (tmp_path / "run" / "done").unlink()
    sweep_unfinished(tmp_path.glob("run*"), lambda folder: False)  # another process may be at work there
    assert (tmp_path / "run").is_dir()
