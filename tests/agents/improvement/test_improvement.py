"""Improvement finds what pays in imagination, stays near the data's policy when told to, and leaves the world alone."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch

from nextlat_rl.agents.improvement.config import ImproveConfig
from nextlat_rl.agents.improvement.imagination import ImaginationImprover
from nextlat_rl.agents.improvement.reanalyse import ReanalyseImprover
from nextlat_rl.agents.improvement.starts import real_beliefs
from nextlat_rl.agents.planning.config import planner_config
from nextlat_rl.errors import UserError
from nextlat_rl.training import checkpoint
from nextlat_rl.training.optimizer import make_optimizer
from nextlat_rl.world_model import WorldModel
from tests.helpers.tiny import make_batch, tiny_model

PAYS = 1


def bandit() -> WorldModel:
    """An imagined world of three arms: arm 1 pays 1 at every step, the others nothing, and it never ends."""
    model = tiny_model()
    model.after = lambda belief, action_embedding: action_embedding  # type: ignore[method-assign]
    with torch.no_grad():
        arms = model.embed_action(torch.arange(3))
        others = arms[[0, 2]]
        direction = arms[PAYS] - others.T @ torch.linalg.lstsq(others.T, arms[PAYS, :, None]).solution[:, 0]
        scale = 40 / (direction @ arms[PAYS])
        model.reward.logits.weight.copy_(torch.stack((-scale * direction, scale * direction)))
        model.reward.logits.bias.copy_(torch.tensor([10.0, -10.0]))
        model.end.weight.zero_()
        model.end.bias.fill_(-50.0)
    return WorldModel(model, "none", discount=0.9)


def improver(kind: str, world_model: WorldModel, **settings: float) -> ImaginationImprover | ReanalyseImprover:
    beliefs = torch.randn(64, 16, generator=torch.Generator().manual_seed(0))
    chosen = ImproveConfig(kind, batch_size=32, horizon=5, learning_rate=0.02, **settings)  # type: ignore[arg-type]
    if kind == "imagination":
        return ImaginationImprover(world_model, beliefs, chosen, seed=0)
    return ReanalyseImprover(
        world_model, beliefs, chosen, planner_config({"name": "lookahead", "depth": 2, "width": 9}), seed=0
    )


def probability_of_the_arm(world_model: WorldModel) -> float:
    belief = torch.randn(200, 16, generator=torch.Generator().manual_seed(1))
    return float(world_model.model.action.head(belief).detach().softmax(-1)[:, PAYS].mean())


@pytest.mark.parametrize("kind", ["imagination", "reanalyse"])
def test_it_finds_the_arm_that_pays(kind: str) -> None:
    world_model = bandit()
    before = probability_of_the_arm(world_model)
    job = improver(kind, world_model, kl_weight=0.0)
    for _ in range(300):
        job.improve_step()
    assert before < 0.6
    assert probability_of_the_arm(world_model) > 0.85


@pytest.mark.parametrize("kind", ["imagination", "reanalyse"])
def test_a_high_price_holds_it_at_the_prior(kind: str) -> None:
    held, free = bandit(), bandit()
    watched = {}
    for name, world_model, price in (("held", held, 100.0), ("free", free, 0.0)):
        job = improver(kind, world_model, kl_weight=price)
        for _ in range(60):
            watched[name] = float(job.improve_step()["divergence"])
    assert watched["held"] < 0.05 < 0.2 < watched["free"]


@pytest.mark.parametrize("kind", ["imagination", "reanalyse"])
def test_it_changes_nothing_but_the_two_heads_and_repeats_itself(kind: str) -> None:
    states = []
    original = bandit().model
    for _ in range(2):
        world_model = WorldModel(copy.deepcopy(original), "none", discount=0.9)
        before = {name: value.clone() for name, value in world_model.model.state_dict().items()}
        job = improver(kind, world_model)
        for _ in range(3):
            job.improve_step()
        after = world_model.model.state_dict()
        changed = {name for name in before if not torch.equal(before[name], after[name])}
        assert changed == {"action.logits.weight", "action.logits.bias", "value.logits.weight", "value.logits.bias"}
        states.append(after)
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_the_critic_learns_the_imagined_return() -> None:
    world_model = bandit()
    job = improver("imagination", world_model, kl_weight=0.0)
    for _ in range(300):
        watched = job.improve_step()
    # The value's range ends at 2; the arm pays 1 a step at a discount of 0.9, so the return is above it.
    assert float(watched["value"]) > 1.5


def test_starts_are_beliefs_of_real_steps() -> None:
    world_model = WorldModel(tiny_model(), "none")

    class Repeating:
        def batch(self, step: int):
            return make_batch([[4, 4], [8]], seed=step)

    told: list[int] = []
    beliefs = real_beliefs(world_model, Repeating(), 20, told.append)
    assert beliefs.shape == (20, 16) and not beliefs.requires_grad
    assert told[-1] == 20


def test_reanalyse_needs_a_planner_over_discrete_actions() -> None:
    with pytest.raises(UserError, match="planner=lookahead"):
        ReanalyseImprover(bandit(), torch.randn(4, 16), ImproveConfig("reanalyse"), planner_config({"name": "none"}), 0)


def test_an_improved_checkpoint_loads_but_does_not_resume(tmp_path: Path) -> None:
    model = tiny_model()
    saved = checkpoint.save(tmp_path / "checkpoints", 3, model, None, {"env_id": "none", "discount": 0.99})
    loaded, _ = checkpoint.load_model(saved, torch.device("cpu"))
    assert torch.equal(loaded.action.logits.weight, model.action.logits.weight)  # type: ignore[arg-type,union-attr]
    from nextlat_rl.training.config import TrainerConfig

    optimizer = make_optimizer(model, TrainerConfig(learning_rate=0.1, steps=1, batch_size=1))
    with pytest.raises(UserError, match="resume the run it came from"):
        checkpoint.load_optimizer(saved, optimizer)
