"""Data-parallel training: processes that share a batch take the step that one process takes with all of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn

from nextlat_rl.data.batches import Batcher
from nextlat_rl.data.store import store_of_episodes
from nextlat_rl.envs import make_env
from nextlat_rl.envs.episodes import collect_episodes
from nextlat_rl.errors import UserError
from nextlat_rl.models.config import ModelConfig
from nextlat_rl.objectives.base import weighted_sum
from nextlat_rl.objectives.config import ObjectiveConfig
from nextlat_rl.training.build import build_model, make_trainer
from nextlat_rl.training.config import TrainerConfig
from nextlat_rl.training.distributed import average_gradients, broadcast_from_main, is_main_process, rank_and_world_size
from nextlat_rl.training.trainer import Trainer

INPUTS = torch.arange(12.0).reshape(4, 3)
ENV, STEPS = "NextLat/Running-S3-2", 3


def test_alone_there_is_nothing_to_share() -> None:
    layer = nn.Linear(3, 1)
    layer(INPUTS).sum().backward()
    before = [parameter.grad.clone() for parameter in layer.parameters() if parameter.grad is not None]
    average_gradients(layer)
    assert all(torch.equal(p.grad, old) for p, old in zip(layer.parameters(), before, strict=True))  # type: ignore[arg-type]
    assert is_main_process() and rank_and_world_size() == (0, 1) and broadcast_from_main(lambda: 5) == 5


@pytest.mark.parametrize("processes", [2, 3])
def test_shares_make_up_the_whole_batch(processes: int) -> None:
    env = make_env("NextLat/Word-S3-4")
    store = store_of_episodes(
        env.observation_space, env.action_space, collect_episodes("NextLat/Word-S3-4", "expert", episodes=20)
    )
    whole = Batcher(store, 7, 6, seed=3).batch(2)
    for i in range(processes):
        part = Batcher(store, 7, 6, seed=3, part=(i, processes)).batch(2)
        assert torch.equal(part.action, whole.action[i::processes])
        assert torch.equal(part.observation["observation"], whole.observation["observation"][i::processes])
        assert torch.equal(part.has_next, whole.has_next[i::processes])


def trainer(part: tuple[int, int] = (0, 1)) -> Trainer:
    """Of a tiny model, for all windows of a batch or for a part of them."""
    env = make_env(ENV)
    store = store_of_episodes(env.observation_space, env.action_space, collect_episodes(ENV, "expert", episodes=20))
    torch.manual_seed(0)
    model = build_model(ModelConfig(2, 2, 32), ObjectiveConfig(), store, 6)
    batches = Batcher(store, 8, 6, 0, part=part)
    return Trainer(model, batches, ObjectiveConfig(), TrainerConfig(steps=10), seed=0)


def take_steps(rank: int, folder: Path) -> None:
    """One of two processes."""
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    assert rank_and_world_size() == (rank, 2) and is_main_process() == (rank == 0)
    assert broadcast_from_main(lambda: f"made by {rank}") == "made by 0"
    part = trainer(rank_and_world_size())
    for _ in range(STEPS):
        part.train_step()
    torch.save(part.model.state_dict(), folder / f"{rank}.pt")
    dist.destroy_process_group()


def steps_by_hand() -> dict[str, torch.Tensor]:
    """One process, which takes the mean of both shares' gradients."""
    alone, parts = trainer(), [trainer((i, 2)).batches for i in range(2)]
    for step in range(STEPS):
        alone.optimizer.scale_learning_rate(alone.learning_rate() / alone.settings.learning_rate)
        alone.optimizer.zero_grad()
        for batches in parts:
            generator = torch.Generator().manual_seed(step)
            losses = alone.objective.losses(alone.model, batches.batch(step), generator)
            (weighted_sum(losses, alone.objective.weights()) / 2).backward()
        torch.nn.utils.clip_grad_norm_(alone.model.parameters(), alone.settings.clip)
        alone.optimizer.step()
        alone.step += 1
    return alone.model.state_dict()


def test_two_processes_take_the_steps_of_one(tmp_path: Path) -> None:
    mp.spawn(take_steps, args=(tmp_path,), nprocs=2)
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    begun = trainer().model.state_dict()
    assert any(not torch.equal(first[name], value) for name, value in begun.items())
    for name, value in steps_by_hand().items():
        assert torch.equal(first[name], second[name])
        torch.testing.assert_close(first[name], value, atol=1e-5, rtol=1e-4)


def test_a_batch_has_a_window_for_each_process(monkeypatch: pytest.MonkeyPatch) -> None:
    env = make_env(ENV)
    store = store_of_episodes(env.observation_space, env.action_space, collect_episodes(ENV, "expert", episodes=5))
    model = build_model(ModelConfig(2, 2, 32), ObjectiveConfig(), store, 6)
    monkeypatch.setattr("nextlat_rl.training.build.rank_and_world_size", lambda: (0, 9))
    with pytest.raises(UserError, match="a batch of 8 windows has none for each of 9 processes"):
        make_trainer(model, store, np.arange(5), ObjectiveConfig(), TrainerConfig(batch_size=8), 6, seed=0)
