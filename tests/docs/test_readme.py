"""What the README tells people to type first is what CI runs, and what it shows is what was printed."""

from __future__ import annotations

import re

from benchmarks.rows import stored_rows
from tests.helpers.pages import README, ROOT, fenced

TEXT = README.read_text()


def test_commands_of_the_readme_exist() -> None:
    modules = set(re.findall(r"python -m nextlat_rl\.(\w+)", TEXT))
    assert modules >= {"train", "collect", "evaluate"}
    for module in modules:
        assert (ROOT / "nextlat_rl" / f"{module}.py").exists()


def test_ci_runs_the_test_command_of_the_readme() -> None:
    (line,) = [line for line in TEXT.splitlines() if line.startswith("pip install") and "[test]" in line]
    install, test = (part.strip() for part in line.split("#")[0].split("&&"))
    script = (ROOT / ".ci" / "run").read_text()
    assert install.replace("pip install", "pip install -q") in script
    assert re.search(r"^make check$", script, re.MULTILINE)
    assert re.search(rf"^test:\n\t{test}$", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_ci_runs_the_first_command_of_the_readme() -> None:
    (line,) = [line for line in TEXT.splitlines() if line.startswith("pip install") and "nextlat_rl.train" in line]
    install, train = (part.strip() for part in line.split("#")[0].split("&&"))
    script = (ROOT / ".ci" / "run").read_text()
    assert install.replace("pip install", "pip install -q") in script
    assert train in script


def test_the_printed_table_is_that_of_a_stored_row() -> None:
    (printed,) = fenced(README, "text")
    env = printed.split(":")[0]
    rows = [row for row in stored_rows("train") if row.env == env]
    lines = [re.findall(r"-?\d+\.\d+", line) for line in printed.splitlines() if line.startswith("| policy")]
    assert lines
    for mean, low, high, *_, length, _, _ in lines:
        assert any(
            (f"{row.return_mean:.3f}", f"{row.return_ci_low:.3f}", f"{row.return_ci_high:.3f}") == (mean, low, high)
            and f"{row.episode_length_mean:.1f}" == length
            for row in rows
        )
    gap = re.search(r"gap (-\d\.\d+)", printed)
    assert gap and any(f"{row.extra.get('imagined_gap') or 0:.3f}" == gap[1] for row in rows)
