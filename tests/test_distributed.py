"""Data-parallel training: processes that share a batch take the step that one process takes with all of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn

from nextlat_rl.commands.benchmark_paper_data import memory_store
from nextlat_rl.data.batches import Batcher
from nextlat_rl.distributed import average_gradients, from_first, leads, share
from nextlat_rl.envs import make_env
from nextlat_rl.envs.episodes import collect_episodes

INPUTS = torch.arange(12.0).reshape(4, 3)


def test_alone_there_is_nothing_to_share() -> None:
    layer = nn.Linear(3, 1)
    layer(INPUTS).sum().backward()
    before = [parameter.grad.clone() for parameter in layer.parameters() if parameter.grad is not None]
    average_gradients(layer)
    assert all(torch.equal(p.grad, old) for p, old in zip(layer.parameters(), before, strict=True))  # type: ignore[arg-type]
    assert leads() and share() == (0, 1) and from_first(lambda: 5) == 5


@pytest.mark.parametrize("processes", [2, 3])
def test_shares_make_up_the_whole_batch(processes: int) -> None:
    env = make_env("NextLat/Word-S3-4")
    store = memory_store(
        env.observation_space, env.action_space, list(collect_episodes("NextLat/Word-S3-4", "expert", episodes=20))
    )
    whole = Batcher(store, 7, 6, seed=3).batch(2)
    for i in range(processes):
        part = Batcher(store, 7, 6, seed=3, share=(i, processes)).batch(2)
        assert torch.equal(part.action, whole.action[i::processes])
        assert torch.equal(part.observation["observation"], whole.observation["observation"][i::processes])
        assert torch.equal(part.has_next, whole.has_next[i::processes])


def take_steps(rank: int, folder: Path) -> None:
    """Two processes: three steps on the mean of a square, each seeing two of four rows."""
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    assert share() == (rank, 2) and leads() == (rank == 0)
    assert from_first(lambda: f"made by {rank}") == "made by 0"
    layer = three_steps(INPUTS[rank::2])
    torch.save(layer.state_dict(), folder / f"{rank}.pt")
    dist.destroy_process_group()


def three_steps(inputs: torch.Tensor) -> nn.Linear:
    torch.manual_seed(0)
    layer = nn.Linear(3, 2)
    layer.bias.requires_grad_(False)  # a parameter without a gradient is left alone
    optimizer = torch.optim.SGD(layer.parameters(), lr=1e-3)
    for _ in range(3):
        optimizer.zero_grad()
        layer(inputs).square().mean().backward()
        average_gradients(layer)
        optimizer.step()
    return layer


def test_two_processes_take_the_steps_of_one(tmp_path: Path) -> None:
    mp.spawn(take_steps, args=(tmp_path,), nprocs=2)
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    alone = three_steps(INPUTS).state_dict()
    for name, value in alone.items():
        assert torch.equal(first[name], second[name])
        torch.testing.assert_close(first[name], value)


def launch(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    command += ["-m", "nextlat_rl.benchmark", *options]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=280, env=dict(os.environ))


def test_the_papers_suite_runs_under_torchrun(tmp_path: Path) -> None:
    done = launch("suite=paper", "only=WordProblem", "quick=true", "json=true", f"runs={tmp_path}")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)  # printed once, not by each process
    assert json.loads((tmp_path / "benchmarks" / "paper.json").read_text()) == rows
    assert {row["agent"] for row in rows} == {"gpt", "nextlat", "nextlat, recurrent"}
    assert all(row["processes"] == 2 and np.isfinite(row["value"]) for row in rows)


def test_torchrun_is_for_the_papers_suite_alone(tmp_path: Path) -> None:
    done = launch("suite=train", f"runs={tmp_path}")
    assert done.returncode != 0 and "suite=train runs in one process; torchrun is for suite=paper" in done.stderr
    assert not [*tmp_path.iterdir()]
