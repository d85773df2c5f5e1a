"""The main job, small: a tiny world is solved, Ctrl-C keeps a checkpoint, resuming goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch

from nextlat_rl.agents.agent import Agent
from nextlat_rl.agents.episodes import evaluation_seeds, run_episodes
from nextlat_rl.data.batches import Batcher
from nextlat_rl.data.minari_io import write_dataset
from nextlat_rl.data.store import Store, build_store
from nextlat_rl.jobs.training_run import train_model
from nextlat_rl.memory import Acting
from nextlat_rl.metrics.imagined_return import imagined_returns
from nextlat_rl.models.config import ModelConfig
from nextlat_rl.models.nextlat import NextLat
from nextlat_rl.objectives.config import ObjectiveConfig
from nextlat_rl.results import RESULT_VERSION, Provenance
from nextlat_rl.training.config import TrainerConfig
from nextlat_rl.training.trainer import Trainer
from nextlat_rl.types import Spaces
from nextlat_rl.world_model import WorldModel
from tests.helpers.worlds import Recall, recall_episodes

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def recall_store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    folder = tmp_path_factory.mktemp("recall")
    os.environ["MINARI_DATASETS_PATH"] = str(folder / "minari")
    try:
        episodes = recall_episodes(400)
        spaces = Recall.observation_space, Recall.action_space
        dataset = write_dataset("test/recall-v0", "Recall-v0", *spaces, episodes, behaviour="random")
        return build_store(dataset, folder / "cache")
    finally:
        del os.environ["MINARI_DATASETS_PATH"]


@pytest.fixture(scope="module")
def recall_model(recall_store: Store) -> WorldModel:
    torch.manual_seed(0)
    statistics = {**recall_store.statistics, "value": {"kind": "twohot", "low": 0.0, "high": 1.0, "bins": 9}}
    spaces = Spaces(recall_store.observation_space, recall_store.action_space, statistics)
    model = NextLat(spaces, ModelConfig(layers=2, heads=2, width=32, context=8, dynamics_width=64))
    settings = TrainerConfig(steps=500, dynamics_finetune_steps=50, batch_size=32, learning_rate=3e-3, warmup=20)
    objective = ObjectiveConfig(horizon=3, start_fraction=0.25, policy_temperature=0.2, observation_weight=1.0)
    trainer = Trainer(model, Batcher(recall_store, 32, 8, seed=0), objective, settings, seed=0)
    while trainer.step < trainer.total_steps:
        trainer.train_step()
    return WorldModel(model, "Recall-v0")


@pytest.mark.parametrize("acting", ["trunk", "recurrent"])
def test_random_data_of_a_memory_task_gives_the_optimal_policy(recall_model: WorldModel, acting: Acting) -> None:
    """The cue must be carried through a step that does not show it: by attention, or by the latent dynamics alone."""
    agent = Agent(recall_model, 50, acting, deterministic=True)
    results, _ = run_episodes("Recall-v0", agent, evaluation_seeds(50), 50)
    assert [r.episode_return for r in results] == [1.0] * 50


def test_imagination_knows_rewards_and_ends(recall_model: WorldModel) -> None:
    """From the cue on, right and wrong choices are imagined with their rewards, and the end after three steps."""
    belief = recall_model.observe(recall_model.first_step([1, 2]), recall_model.memory(2))
    for actions, expected in (([0, 0, 0], [1.0, 0.0]), ([0, 0, 1], [0.0, 1.0])):
        stored = torch.stack([recall_model.encode_actions(actions)] * 2)
        imagined = recall_model.imagine(belief, stored, rollout="argmax")
        assert imagined.imagined_return().tolist() == expected
        assert imagined.alive.tolist() == [[1.0, 1.0, 1.0]] * 2
        assert imagined.running.tolist() == [0.0, 0.0]
        assert imagined.observation["observation"].tolist() == [[0, 3, 0]] * 2


def test_imagined_return_agrees_with_the_real_one(recall_model: WorldModel) -> None:
    imagined = imagined_returns(recall_model, [1, 2] * 100, horizon=10)
    results, _ = run_episodes("Recall-v0", Agent(recall_model, 50), evaluation_seeds(200), 50)
    real = sum(r.episode_return for r in results) / 200
    assert abs(float(imagined.mean()) - real) < 0.1


SMALL = [
    "env=CartPole-v1",
    "collect.behaviour=random",
    "trainer=smoke",
    "collect.steps=400",
    "trainer.eval_episodes=4",
    "trainer.log_every=1",
]


def command(tmp_path: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "nextlat_rl.train", *arguments, f"runs={tmp_path / 'runs'}"]


def environment(tmp_path: Path) -> dict[str, str]:
    caches = {"MINARI_DATASETS_PATH": str(tmp_path / "minari"), "NEXTLAT_CACHE": str(tmp_path / "cache")}
    return os.environ | caches | {"PYTHONPATH": str(ROOT)}


def test_main_job_leaves_everything_behind(tmp_path: Path) -> None:
    done = subprocess.run(
        command(tmp_path, *SMALL, "planner=lookahead", "trainer.eval_every=12", "json=true"),
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=True,
    )
    rows = json.loads(done.stdout)
    agents = ["policy (trunk)", "policy (recurrent)", "policy (trunk + lookahead)", "behaviour (the data)"]
    assert [row["agent"] for row in rows] == agents
    (run,) = (tmp_path / "runs" / "CartPole-v1").iterdir()
    assert json.loads((run / "results.json").read_text()) == rows
    for row in rows:  # with complete provenance
        assert Provenance(**{field.name: row[field.name] for field in fields(Provenance)}).device == "cpu"
        assert row["version"] == RESULT_VERSION and "nextlat_rl.train" in row["command"]
    assert WorldModel.load(run).trust_horizon == rows[0]["trust_horizon"]
    assert rows[0]["answer_bits_total"] == pytest.approx(rows[0]["answer_bits_observation_observation"], abs=3)
    for name in ("config.yaml", "diagnosis.png", "imagination-real_against_imagined.png", "eval-episode.gif"):
        assert (run / name).stat().st_size > 0
    returns = _events(run).Scalars("eval/mean_reward")
    assert [point.step for point in returns] == [12, 24, 35]  # 30 steps, then 5 on the dynamics
    assert returns[-1].value == pytest.approx(rows[0]["return_mean"])
    tags = _tensorboard_tags(run)
    for tag in (
        "train/grad_norm",
        "loss/policy",
        "loss/latent",
        "eval/mean_reward",
        "eval/mean_ep_length",
        "eval/imagined_gap",
        "worlds/answer_bits_total",
        "worlds/trust_horizon",
        "diagnosis",
        "diagnostics/effective_rank",
        "latent_error/grounded_01",
        "held_out/policy",
        "imagination/real_against_imagined",
        "eval/episode",
        "config/text_summary",
        "git_revision/text_summary",
    ):
        assert tag in tags, tag
    _shows_a_decision(tmp_path, run)
    _improves(tmp_path, run)


def _improves(tmp_path: Path, run: Path) -> None:
    options = [f"checkpoint={run}", "improve=reanalyse", "improve.steps=2", "improve.batch_size=8", "episodes=4"]
    call = [
        sys.executable,
        "-m",
        "nextlat_rl.improve",
        *options,
        "improve.beliefs=50",
        "planner=lookahead",
        "planner.depth=2",
        "json=true",
    ]
    done = subprocess.run(call, env=environment(tmp_path), capture_output=True, text=True, check=True)
    rows = json.loads(done.stdout)
    assert [row["agent"] for row in rows] == ["policy", "improved policy"]
    improved = run / "improved-reanalyse"
    assert "improve/divergence" in _tensorboard_tags(improved)
    before, after = WorldModel.load(run).model, WorldModel.load(improved).model
    assert torch.equal(before.trunk.state_dict()["norm.weight"], after.trunk.state_dict()["norm.weight"])
    assert not torch.equal(before.action.logits.weight, after.action.logits.weight)  # type: ignore[arg-type,union-attr]


def test_rounds_gather_with_the_agent_and_train_on_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    monkeypatch.setenv("NEXTLAT_CACHE", str(tmp_path / "cache"))
    options = [*SMALL, "trainer.steps=5", "rounds=2", "round_steps=60", "improve=imagination", "improve.steps=2"]
    options += ["improve.batch_size=8", "improve.horizon=3", "improve.beliefs=50"]
    rows = train_model("CartPole-v1", "auto", options, runs=str(tmp_path / "runs"), quiet=True).rows
    first, second = [r for r in rows if "round" not in r], [r for r in rows if r.get("round") == 2]
    agents = ["policy (trunk)", "policy (recurrent)", "behaviour (the data)", "improved policy (trunk)"]
    assert [r["agent"] for r in first] == [r["agent"] for r in second] == agents
    assert second[0]["env_steps"] >= first[0]["env_steps"] + 60
    assert second[0]["data"].startswith(f"{first[0]['data']}+nextlat_rl/CartPole-v1/round-2-")


def _shows_a_decision(tmp_path: Path, run: Path) -> None:
    picture = tmp_path / "decision.png"
    options = [
        f"checkpoint={run}",
        f"out={picture}",
        "planner=lookahead",
        "planner.depth=3",
        "step=2",
        "lines=3",
        "json=true",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "nextlat_rl.plan", *options],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=True,
    )
    shown = json.loads(done.stdout)
    deep = (WorldModel.load(run).trust_horizon or 0) > 1  # else only the two actions are compared
    assert len(shown["lines"]) == (3 if deep else 2)
    assert sum(row["improved"] for row in shown["actions"]) == pytest.approx(1, abs=1e-3)
    assert picture.stat().st_size > 0
    assert "plan/decision" in _tensorboard_tags(run / picture.stem)


def test_killed_run_resumes_bit_for_bit(tmp_path: Path) -> None:
    """Promise 5, with a real SIGKILL in the middle."""
    options = [
        *SMALL,
        "trainer.steps=50",
        "trainer.dynamics_finetune_steps=15",
        "trainer.save_every=10",
        "trainer.threads=1",
    ]
    subprocess.run(command(tmp_path, *options, "name=whole"), env=environment(tmp_path), check=True)
    process = subprocess.Popen(command(tmp_path, *options, "name=killed"), env=environment(tmp_path))
    folder = tmp_path / "runs" / "CartPole-v1"
    while all(int(p.name.removeprefix("step-")) < 20 for p in folder.glob("*-killed/checkpoints/step-*")):
        assert process.poll() is None, "finished before it could be killed"
        time.sleep(0.01)
    process.kill()
    process.wait()
    (whole,), (killed,) = folder.glob("*-whole"), folder.glob("*-killed")
    assert not (killed / "results.json").exists()
    subprocess.run(command(tmp_path, f"resume={killed}"), env=environment(tmp_path), check=True)
    (expected,) = whole.glob("checkpoints/step-*65/model.safetensors")
    (resumed,) = killed.glob("checkpoints/step-*65/model.safetensors")
    assert expected.read_bytes() == resumed.read_bytes()


def _events(run: Path) -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run))
    events.Reload()
    return events


def _tensorboard_tags(run: Path) -> set[str]:
    tags = _events(run).Tags()
    return {*tags["scalars"], *tags["images"], *tags["tensors"]}


def test_interrupt_keeps_a_checkpoint_and_resume_goes_on(tmp_path: Path) -> None:
    process = subprocess.Popen(
        command(tmp_path, *SMALL, "trainer.steps=100000", "trainer.save_every=5"),
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 120
    while not list((tmp_path / "runs").glob("*/*/checkpoints/step-*[1-9]*")):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    (run,) = (tmp_path / "runs" / "CartPole-v1").iterdir()
    assert f"nextlat_rl.train resume={run}" in output
    (kept,) = (run / "checkpoints").iterdir()
    step = int(kept.name.removeprefix("step-"))
    assert step > 0
    resumed = [
        sys.executable,
        "-m",
        "nextlat_rl.train",
        f"resume={run}",
        f"trainer.steps={step + 2}",
        "trainer.dynamics_finetune_steps=0",
    ]
    subprocess.run(resumed, env=environment(tmp_path), check=True, capture_output=True)
    assert [p.name for p in (run / "checkpoints").iterdir()] == [f"step-{step + 2:08d}"]
    assert (run / "results.json").exists()
