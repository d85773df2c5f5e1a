"""Python snippets of README and docs run, page by page and one after the other, on a tiny model and little data."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import nextlat_rl
from nextlat_rl.jobs.compose import compose
from nextlat_rl.jobs.config import TrainConfig
from tests.helpers.pages import PAGES, fenced, name_of
from tests.helpers.untrained import untrained_run

WITH_SNIPPETS = [page for page in PAGES if fenced(page, "python")]
# What a reader runs for minutes, a test runs for a moment.
SHORTER = [
    (r"learn\([1-9][\d_]*000", "learn(16"),
    (r'PPO\("MlpPolicy", "CartPole-v1"', 'PPO("MlpPolicy", "CartPole-v1", n_steps=16, batch_size=16'),
    (r"n_envs=(8|64)", "n_envs=2"),
    (r"n_steps=(64|128)", "n_steps=8"),
    (r"batch_size=(256|512)", "batch_size=16"),
    (r"(?<!_)steps=\d[\d_]*000", "steps=60"),
    (r"episodes=\d+", "episodes=2"),
    (r"range\(20\)", "range(3)"),
    (r"(horizon|depth|width)=\d+", r"\1=3"),
]


def shortened(snippet: str, run: Path, grid: Path) -> str:
    for long, short in SHORTER:
        snippet = re.sub(long, short, snippet)
    snippet = re.sub(r"runs/MiniGrid[\w-]+/<time>", str(grid), snippet)
    return re.sub(r"runs/[\w-]+/<time>", str(run), snippet)


@pytest.mark.usefixtures("one_process")
@pytest.mark.filterwarnings("ignore:You have specified a mini-batch size")
@pytest.mark.parametrize("page", WITH_SNIPPETS, ids=name_of)
def test_snippets_run(
    page: Path, tiny_run: nextlat_rl.TrainingRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    def check_options(env: str, data: Any, overrides: Any = (), **others: Any) -> nextlat_rl.TrainingRun:
        compose("train", TrainConfig, [f"env={env}", *overrides])
        return tiny_run

    improve, small = nextlat_rl.improve_policy, ["improve.steps=1", "improve.batch_size=4", "episodes=2", "threads=1"]
    monkeypatch.setattr(nextlat_rl, "train_model", check_options)  # the examples train
    monkeypatch.setattr(nextlat_rl, "improve_policy", lambda run, how, what: improve(run, how, [*what, *small]))
    names: dict[str, Any] = {}
    grid = untrained_run(tmp_path / "grid")
    for snippet in fenced(page, "python"):
        exec(compile(shortened(snippet, tiny_run.folder, grid), f"<{page.name}>", "exec"), names)


def test_users_need_no_deep_import() -> None:
    for page in PAGES:
        for snippet in fenced(page, "python"):
            assert not re.search(r"(from|import) nextlat_rl\.", snippet), name_of(page)
            for names in re.findall(r"from nextlat_rl import (.*)", snippet):
                assert {name.strip() for name in names.split(",")} <= set(nextlat_rl.__all__), name_of(page)
