"""Shares of a batch: several processes take the step that one process takes with the same shares."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from nextlat_rl.data.batches import Batcher
from nextlat_rl.data.store import Store, store_of_episodes
from nextlat_rl.data.top_return import TopReturnBatcher
from nextlat_rl.envs import make_env
from nextlat_rl.envs.episodes import collect_episodes
from nextlat_rl.errors import UserError
from nextlat_rl.models.config import ModelConfig
from nextlat_rl.objectives.config import ObjectiveConfig
from nextlat_rl.training.build import build_model, make_trainer
from nextlat_rl.training.config import TrainerConfig
from nextlat_rl.training.distributed import any_process, broadcast_from_main, is_main_process, rank_and_world_size
from nextlat_rl.training.trainer import Trainer
from nextlat_rl.types import Batch

ENV, STEPS = "NextLat/Running-S3-2", 6
SETTINGS = TrainerConfig(steps=4, dynamics_finetune_steps=2, batch_size=8, warmup=2)
# Objectives and shares of a batch; gpt leaves weights without gradients, layer dropout does so in some shares.
KINDS = {
    "nextlat": (ObjectiveConfig(), 2),
    "gpt": (ObjectiveConfig(name="gpt"), 2),
    "dropout": (ObjectiveConfig(name="bst", layer_dropout=0.9), 4),
}


@cache
def store_of(env_id: str, episodes: int = 20) -> Store:
    env = make_env(env_id)
    return store_of_episodes(
        env.observation_space, env.action_space, collect_episodes(env_id, "expert", episodes=episodes)
    )


def trainer(kind: str, microbatches: int) -> Trainer:
    """Of a tiny model; under a process group, for this process's part of the windows."""
    store, objective = store_of(ENV), KINDS[kind][0]
    torch.manual_seed(0)
    model = build_model(ModelConfig(2, 2, 32), objective, store, 6)
    settings = replace(SETTINGS, microbatches=microbatches, top_return_fraction=0.4 if kind == "gpt" else 0.0)
    return make_trainer(model, store, np.arange(20), objective, settings, 6, seed=0)


def test_alone_there_is_nothing_to_share() -> None:
    assert is_main_process() and rank_and_world_size() == (0, 1) and broadcast_from_main(lambda: 5) == 5
    assert any_process(True) and not any_process(False)
    assert not isinstance(trainer("gpt", 1)._begin_phase(), torch.nn.parallel.DistributedDataParallel)


@pytest.mark.parametrize("processes", [2, 3])
@pytest.mark.parametrize("top", [0.0, 0.3])
def test_parts_make_up_the_whole_batch(processes: int, top: float) -> None:
    store = store_of("NextLat/Word-S3-4")

    def read(part: tuple[int, int]) -> Batch:
        if top:
            return TopReturnBatcher(store, 7, 6, 3, np.arange(20), top, part).batch(2)
        return Batcher(store, 7, 6, seed=3, part=part).batch(2)

    whole = read((0, 1))
    for i in range(processes):
        for part in (read((i, processes)), whole.part(i, processes)):
            assert torch.equal(part.action, whole.action[i::processes])
            assert torch.equal(part.observation["observation"], whole.observation["observation"][i::processes])
            assert torch.equal(part.has_next, whole.has_next[i::processes])


def take_steps(rank: int, folder: Path) -> None:
    """One of two processes."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    assert rank_and_world_size() == (rank, 2) and is_main_process() == (rank == 0)
    assert broadcast_from_main(lambda: f"made by {rank}") == "made by 0"
    assert any_process(rank == 1) and not any_process(False)
    for kind, (_, shares) in KINDS.items():
        torch.save(trained(trainer(kind, shares)), folder / f"{kind}-{rank}.pt")
    asked: list[Callable[[], bool]] = [lambda: False, lambda: part.step == 2]  # the other process is asked
    part = trainer("gpt", 0)
    assert part.run(lambda losses: False, asked[rank]) and part.step == 2
    with pytest.raises(UserError, match=r"microbatches=3 shares of a batch cannot be divided among 2 processes: use a"):
        trainer("gpt", 3)
    dist.destroy_process_group()


def trained(part: Trainer) -> dict[str, torch.Tensor]:
    """The weights after all steps, and the losses."""
    losses: list[torch.Tensor] = []
    part.run(lambda found: losses.append(found["loss"]) or False)  # type: ignore[func-returns-value]
    return part.model.state_dict() | {"losses": torch.stack(losses)}


def test_two_processes_take_the_steps_of_one(tmp_path: Path) -> None:
    mp.spawn(take_steps, args=(tmp_path,), nprocs=2)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    for kind, (_, shares) in KINDS.items():
        first, second = (torch.load(tmp_path / f"{kind}-{rank}.pt", weights_only=True) for rank in (0, 1))
        alone, other = trained(trainer(kind, shares)), trained(trainer(kind, 1))
        assert all(torch.equal(first[name], second[name]) for name in alone)
        torch.testing.assert_close(first["losses"], alone["losses"], atol=1e-4, rtol=0)
        if shares == 2:  # a sum of two has no order
            assert all(torch.equal(first[name], value) for name, value in alone.items())
        assert not torch.equal(alone["losses"], other["losses"])  # shares have random choices of their own
    torch.set_num_threads(threads)


def test_a_batch_has_equal_shares() -> None:
    with pytest.raises(UserError, match=r"batch_size=8 windows cannot be divided into 3 equal shares .* multiple of 3"):
        trainer("gpt", 3)
