"""The same command with the same seed and number of threads gives the same bytes, also with several threads."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from benchmarks.suites.trust.area import Area, Found
from benchmarks.suites.trust.jobs import JOBS
from benchmarks.timing import threads
from nextlat_rl.data.batches import Batcher
from nextlat_rl.data.store import store_of_episodes
from nextlat_rl.models.config import ModelConfig
from nextlat_rl.objectives.config import OBJECTIVES, ObjectiveConfig, trains_dynamics
from nextlat_rl.training import trainer as trainer_module
from nextlat_rl.training.build import build_model
from nextlat_rl.training.config import TrainerConfig
from nextlat_rl.training.trainer import Trainer
from nextlat_rl.types import taken, taken_columns
from tests.helpers.toy_data import Nested, gather

# On the CPU the gradients of these are added up by all threads at once, in whatever order they come.
UNORDERED = {"IndexBackward0", "IndexPutBackward0", "TakeBackward0", "PutBackward0"}


def operations(result: Tensor) -> set[str]:
    """Names of all operations that a backward pass from `result` goes through."""
    open_, seen = [result.grad_fn], set()
    while open_:
        node = open_.pop()
        if node is not None and node not in seen:
            seen.add(node)
            open_ += [following for following, _ in node.next_functions]
    return {node.name() for node in seen}


@pytest.mark.parametrize("name", OBJECTIVES.names())
def test_no_gradient_depends_on_the_order_of_threads(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    env = Nested()
    store = store_of_episodes(env.observation_space, env.action_space, gather(env, 12))
    objective = ObjectiveConfig(name=name, horizon=2, policy_temperature=1.0)
    model = build_model(ModelConfig(1, 2, 16, 8, 16), objective, store, 8)
    settings = TrainerConfig(steps=1, dynamics_finetune_steps=1)
    trained = Trainer(model, Batcher(store, 4, 8, seed=0), objective, settings, seed=0)
    found = []

    def weighted_sum(losses: dict[str, Tensor], weights: dict[str, float]) -> Tensor:
        total = torch.stack([weights[name] * loss for name, loss in losses.items()]).sum()
        found.append(operations(total))
        return total

    monkeypatch.setattr(trainer_module, "weighted_sum", weighted_sum)
    trained.run(lambda losses: False)
    assert len(found) == 1 + trains_dynamics(name)
    for names in found:
        assert "EmbeddingBackward0" in names and not names & UNORDERED


def test_rows_are_taken_with_the_gradient_of_an_index_in_one_order() -> None:
    torch.manual_seed(0)
    x = torch.randn(8, 64, 32, requires_grad=True)
    at = torch.randint(8, (9000,)), torch.randint(4, (9000,))  # nearly all of them meet another
    upstream = torch.randn(9000, 32)
    (wanted,) = torch.autograd.grad(x[at], x, upstream)
    with threads(2):
        found = [torch.autograd.grad(taken(x, at), x, upstream)[0] for _ in range(3)]
    assert torch.equal(taken(x, at), x[at]) and all(torch.equal(wanted, gradient) for gradient in found)
    assert torch.equal(taken_columns(x, at[1]), x[:, at[1]])
    square = at[0][:64].view(8, 8), at[1][:8]
    assert torch.equal(taken(x, square), x[square])


def run(folder: Path) -> Iterator[Found]:
    """The main job with two threads in a process of its own, on whichever cores there are."""
    job = replace(
        JOBS["train"],
        command=(*JOBS["train"].command, "trainer.threads=2", "trainer.batch_size=32", "trainer.eval_every=0"),
    )
    area = Area(folder)
    folders = {"MINARI_DATASETS_PATH": str(folder / "data"), "NEXTLAT_CACHE": str(folder / "stores")}
    environment = {**os.environ, **folders, "OMP_WAIT_POLICY": "passive"}  # else they spin where a core is busy
    with (folder / "log").open("wb") as log:
        started = subprocess.Popen(
            [sys.executable, "-m", f"nextlat_rl.{job.command[0]}", *job.command[1:]],
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=log,
            preexec_fn=lambda: os.sched_setaffinity(0, range(os.cpu_count() or 1)),
        )
    yield Found()
    assert started.wait() == 0, (folder / "log").read_text()
    yield area.found()


def test_two_threads_give_the_same_bytes_in_two_processes(tmp_path: Path) -> None:
    both = [run(tmp_path / name) for name in ("one", "other")]
    for each in both:
        next(each)
    one, other = (next(each) for each in both)
    assert any(name.endswith("model.safetensors") for name in one.content)
    assert other.compared_with(one).content == {"other": []}
