"""One tiny trained run and one small data set, which the snippets and examples of a session share."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest

import nextlat_rl

TINY = [
    "model.layers=1",
    "model.heads=2",
    "model.width=16",
    "model.dynamics_width=16",
    "model.context=8",
    "trainer.length=16",
    "trainer.batch_size=2",
    "trainer.steps=2",
    "trainer.threads=1",
    "trainer.dynamics_finetune_steps=0",
    "trainer.eval_episodes=2",
    "trainer.diagnosis_episodes=2",
    "improve=none",
    "planner=none",
]


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[nextlat_rl.TrainingRun]:
    """A run on CartPole; its data set is `mine/cartpole-v0`."""
    root = tmp_path_factory.mktemp("docs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINARI_DATASETS_PATH", str(root / "minari"))
        patch.setenv("NEXTLAT_CACHE", str(root / "stores"))
        data = nextlat_rl.collect_dataset(
            "CartPole-v1", "random", episodes=6, workers=1, dataset_id="mine/cartpole-v0", quiet=True
        )
        yield nextlat_rl.train_model("CartPole-v1", data, TINY, runs=str(root / "runs"), quiet=True)


@pytest.fixture
def one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Data are gathered in this process: starting others takes longer than the few steps of a test."""
    monkeypatch.setattr(nextlat_rl, "collect_dataset", partial(nextlat_rl.collect_dataset, workers=1))
