"""A run is diagnosed: numbers, picture, and the trust horizon in its checkpoint; bad input gets one line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from nextlat_rl import TrainingRun, UserError, WorldModel, collect_dataset, diagnose_world, train_model
from nextlat_rl.console import make_console
from nextlat_rl.jobs.commands import DiagnoseCommand
from nextlat_rl.jobs.improvement import improve_policy
from nextlat_rl.jobs.trust import diagnose_checkpoint, trust_line, warn_of_distrust
from nextlat_rl.metrics.trust_horizon import HorizonTest, TrustTest
from nextlat_rl.seeds import DIAGNOSIS_SEED, EVALUATION_SEED

SMALL = ["model.layers=1", "model.heads=2", "model.width=16", "model.dynamics_width=16", "trainer.batch_size=4"]
SMALL += ["trainer.steps=5", "trainer.dynamics_finetune_steps=0", "trainer.eval_episodes=2", "trainer.threads=1"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrainingRun]:
    """A hardly trained run on a grid, whose dreams were not measured."""
    root = tmp_path_factory.mktemp("diagnosis")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINARI_DATASETS_PATH", str(root / "minari"))
        patch.setenv("NEXTLAT_CACHE", str(root / "stores"))
        data = collect_dataset("MiniGrid-Empty-5x5-v0", "random", episodes=10, workers=1, quiet=True)
        options = [*SMALL, "trainer.diagnosis_episodes=0"]
        yield train_model("MiniGrid-Empty-5x5-v0", data, options, runs=str(root / "runs"), quiet=True)


def test_a_diagnosis_is_kept_in_the_run(run: TrainingRun) -> None:
    assert run.world_model.trust_horizon is None
    assert "trust_horizon" not in run.rows[0]
    found = diagnose_world(run, episodes=40, quiet=True)
    steps = found.trust.trust_horizon
    assert steps is not None
    assert run.world_model.trust_horizon == WorldModel.load(run.folder).trust_horizon == steps
    (row,) = json.loads((run.folder / "diagnosis.json").read_text())
    assert (run.folder / "diagnosis.png").stat().st_size > 10_000
    assert row["trust_horizon"] == steps == 0  # an untrained model's dreams are noise
    assert row["contradictions_per_step_real"] == 0 < row["contradictions_per_step"]
    assert row["exist_share"] < row["exist_share_real"]
    assert row["answer_bits_total"] > row["answer_bits_observation_image"] > 0
    assert row["real_return_mean"] <= 1
    assert row["diagnosis_episodes"] == 40
    assert all(tag.startswith("worlds/") for tag in found.scalars())
    improved = improve_policy(run, overrides=["improve.steps=1", "improve.beliefs=20", "episodes=2"], quiet=True)
    assert improved.world_model.trust_horizon == steps


def test_data_that_are_gone_get_one_line(run: TrainingRun) -> None:
    with pytest.raises(UserError, match=r"not/there-v0"):
        diagnose_checkpoint(DiagnoseCommand(str(run.folder), data="not/there-v0"), make_console(True))


def test_untrained_dynamics_are_refused(run: TrainingRun, tmp_path: Path) -> None:
    gpt = train_model("MiniGrid-Empty-5x5-v0", run.rows[0]["data"], [*SMALL, "objective=gpt"], runs=str(tmp_path))
    assert "trust_horizon" not in gpt.rows[0]
    with pytest.raises(UserError, match=r"diagnose uses the latent dynamics, which objective=gpt leaves untrained"):
        diagnose_world(gpt)


def test_seeds_that_score_agents_are_refused() -> None:
    assert DIAGNOSIS_SEED < EVALUATION_SEED
    with pytest.raises(UserError, match="evaluation only"):
        DiagnoseCommand("runs/x", first_seed=EVALUATION_SEED - 10, episodes=11)


def test_the_trust_horizon_is_said_in_words() -> None:
    def line(*areas: float) -> str:
        return trust_line(TrustTest([HorizonTest(k, auc, 99) for k, auc in zip((1, 2, 3), areas, strict=False)]))

    assert line(0.5, 0.6, 0.61).startswith("Trust horizon: 2 steps. Dreams of up to 2 steps cannot be told")
    assert line(0.5, 0.7).startswith("Trust horizon: 1 step. Dreams of up to 1 step cannot")
    assert line(0.5, 0.5, 0.5).startswith("Trust horizon: 3 steps, the longest tested.")
    assert line(0.9).startswith("Trust horizon: 0 steps. Even the first imagined step can be told")
    assert line() == "Trust horizon: not measured, there are fewer than 32 pairs of an episode and a dream."


def test_a_planner_on_dreams_that_are_wrong_at_once_gets_a_warning(
    run: TrainingRun, capsys: pytest.CaptureFixture[str]
) -> None:
    world_model = WorldModel(run.world_model.model, "none", trust_horizon=0)
    warn_of_distrust(world_model, "none", make_console(False))
    assert capsys.readouterr().out == ""
    warn_of_distrust(world_model, "lookahead", make_console(False))
    assert "trust horizon is 0 steps: planner=lookahead looks one step ahead" in capsys.readouterr().out
