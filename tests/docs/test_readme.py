"""What the README tells people to type first is what CI runs, and what it shows is what was printed."""

from __future__ import annotations

import re

from tests.helpers.pages import README, ROOT

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
