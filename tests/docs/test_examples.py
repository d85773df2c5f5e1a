"""The examples are short, need only the public names, and run."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

import nextlat_rl
from tests.docs.conftest import TINY
from tests.helpers.pages import PAGES, ROOT

EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
REDUCED = {
    "custom_planner": ["--run", "RUN", "--episodes", "2"],
    "own_data": ["--episodes", "3", *TINY],
    "own_environment": ["--steps", "60", *TINY],
    "quickstart": ["--steps", "60", "--episodes", "2", *TINY],
    "sb3_ppo_in_imagination": ["--run", "RUN", "--data", "60", "--steps", "64"],
    "sb3_ppo_on_beliefs": ["--run", "RUN", "--steps", "64"],
}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_short_and_imports_public_names_only(example: Path) -> None:
    text = example.read_text()
    assert len(text.splitlines()) < 60
    assert not re.search(r"(from|import) nextlat_rl\.", text)


@pytest.mark.usefixtures("one_process")
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs(
    example: Path,
    tiny_run: nextlat_rl.TrainingRun,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = [str(tiny_run.folder) if part == "RUN" else part for part in REDUCED[example.stem]]
    monkeypatch.setattr("sys.argv", [str(example), *arguments])
    runpy.run_path(str(example), run_name="__main__")
    assert capsys.readouterr().out.strip()


def test_examples_are_named_in_the_docs() -> None:
    text = "".join(page.read_text() for page in PAGES)
    assert not [example.name for example in EXAMPLES if example.name not in text]
