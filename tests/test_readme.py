"""What the README tells people to type is what the project does."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_commands_of_the_readme_exist() -> None:
    modules = set(re.findall(r"python -m nextlat_rl\.(\w+)", README))
    assert modules >= {"train", "collect", "evaluate"}
    for module in modules:
        assert (ROOT / "nextlat_rl" / f"{module}.py").exists()


def test_ci_runs_the_test_command_of_the_readme() -> None:
    (line,) = [line for line in README.splitlines() if line.startswith("pip install") and "[test]" in line]
    install, test = (part.strip() for part in line.split("#")[0].split("&&"))
    script = (ROOT / ".ci" / "run").read_text()
    assert install.replace("pip install", "pip install -q") in script
    assert re.search(r"^make check$", script, re.MULTILINE)
    assert re.search(rf"^test:\n\t{test}$", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_files_the_readme_shows_exist() -> None:
    shown = re.findall(r"\]\(((?:docs|benchmarks)/[^)]+)\)", README)
    assert shown
    for file in shown:
        assert (ROOT / file).exists(), file
