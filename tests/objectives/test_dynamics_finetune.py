"""The last phase of training: the latent dynamics alone, on beliefs of a fixed trunk."""

import dataclasses

import pytest
import torch

from nextlat_rl.models.nextlat import NextLat
from nextlat_rl.objectives import dynamics_finetune
from nextlat_rl.objectives.config import ObjectiveConfig
from nextlat_rl.objectives.dynamics_finetune import dynamics_finetune_losses, positions_read, read_beliefs
from nextlat_rl.objectives.forward import Forward, forward
from nextlat_rl.objectives.latent import code_steps, head_kl, targets
from nextlat_rl.training.config import TrainerConfig
from nextlat_rl.training.trainer import Trainer
from nextlat_rl.types import Batch
from tests.helpers.tiny import make_batch, tiny_model

LENGTHS = [[5, 4, 3], [12], [2, 2, 8], [1, 11]]
SETTINGS = TrainerConfig(
    steps=3, dynamics_finetune_steps=300, batch_size=4, learning_rate=1e-3, eval_episodes=1, warmup=1
)


class SameBatch:
    def batch(self, step: int) -> Batch:
        return make_batch(LENGTHS)


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def in_code_steps(model: NextLat, batch: Batch, out: Forward) -> torch.Tensor:
    """emb(x_t) in code, position by position; column 0 is meaningless."""
    rows, columns = batch.has_next.shape
    row, column = torch.arange(rows)[:, None].expand(-1, columns), torch.arange(columns).expand(rows, -1)
    return code_steps(model, batch, out, (row, column))


def test_reads_what_the_trunk_and_the_encoder_say() -> None:
    """Two batches, position after position, as one pass over each gives them."""
    model, batch = tiny_model(), make_batch(LENGTHS)
    beliefs = read_beliefs(model, [batch, batch], ObjectiveConfig(), generator())
    out = forward(model, batch, generator=generator())
    rows = batch.has_next.numel()
    torch.testing.assert_close(beliefs.true.belief[:rows], out.belief.flatten(0, 1))
    torch.testing.assert_close(beliefs.true.belief[rows:], out.belief.flatten(0, 1))
    torch.testing.assert_close(beliefs.steps[0, :rows], out.step_embedding.flatten(0, 1))
    assert torch.equal(beliefs.true.code[:rows], out.code.flatten(0, 1))
    in_code = in_code_steps(model, batch, out)
    torch.testing.assert_close(beliefs.steps[1, :rows].view_as(in_code)[:, 1:], in_code[:, 1:])
    assert not beliefs.true.belief.requires_grad and not beliefs.steps.requires_grad


@pytest.mark.parametrize("code_weight", [0, 1])
def test_losses_are_means_over_the_steps_inside_an_episode(code_weight: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against plain loops from all positions, up to three steps ahead."""
    monkeypatch.setattr(dynamics_finetune, "_ROLLOUTS", ((100, 3),))
    monkeypatch.setattr(dynamics_finetune, "_KL_POSITIONS", 10_000)
    model, batch, config = tiny_model(), make_batch(LENGTHS), ObjectiveConfig(code_weight=code_weight)
    weighted = dataclasses.replace(config, observation_weight=5 * config.observation_weight)
    out = forward(model, batch, generator=generator())
    steps = {"": out.step_embedding} | ({"_code": in_code_steps(model, batch, out)} if code_weight else {})
    beliefs = read_beliefs(model, [batch], config, generator())
    losses = dynamics_finetune_losses(model, beliefs, config, generator())
    assert set(losses) == {f"{name}{kind}" for name in ("latent", "kl") for kind in steps}
    for kind, embedding in steps.items():
        errors, divergence = [], []
        for row, column in batch.has_next.nonzero().tolist():
            belief = out.belief[row, column]
            for t in range(column, min(column + 3, batch.has_next.shape[1])):
                if not batch.has_next[row, t]:
                    break
                belief, at = model.dynamics(belief, embedding[row, t + 1]), (torch.tensor([row]), torch.tensor([t + 1]))
                errors.append(torch.nn.functional.smooth_l1_loss(belief, out.belief[row, t + 1]))
                divergence.append(head_kl(model, targets(batch, out).at(at), belief[None], weighted))
        torch.testing.assert_close(losses[f"latent{kind}"], torch.stack(errors).mean())
        torch.testing.assert_close(losses[f"kl{kind}"], torch.stack(divergence).mean())


def test_only_the_dynamics_learns_and_follows_better() -> None:
    model = tiny_model()
    trainer = Trainer(model, SameBatch(), ObjectiveConfig(horizon=2), SETTINGS, seed=0)
    while trainer.step < SETTINGS.steps:
        assert not trainer.finetuning
        trainer.train_step()
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    errors = []
    while trainer.step < trainer.total_steps:
        assert trainer.finetuning
        errors.append(trainer.train_step()["latent"])
    changed = {name for name, parameter in model.named_parameters() if not torch.equal(parameter, before[name])}
    assert changed == {name for name in before if name.startswith(("dynamics_net.", "input_norm."))}
    assert errors[-1] < 0.5 * errors[0]


def test_a_resumed_phase_goes_on_as_if_never_stopped() -> None:
    """The beliefs are read again, and are the same."""
    ends = []
    for stop in (SETTINGS.steps + 5, None):
        model = tiny_model()
        trainer = Trainer(model, SameBatch(), ObjectiveConfig(), SETTINGS, seed=0)
        for _ in range(SETTINGS.steps + 10):
            if trainer.step == stop:
                other = Trainer(model, SameBatch(), ObjectiveConfig(), SETTINGS, seed=0)
                other.step, other.optimizer = trainer.step, trainer.optimizer
                trainer = other
            trainer.train_step()
        ends.append(model.dynamics_net[0].weight.detach().clone())
    assert torch.equal(*ends)


def test_reads_no_more_than_it_needs_and_stays_within_its_memory() -> None:
    assert positions_read(5, 64) == 5 * 128
    assert positions_read(100_000, 128) == positions_read(10_000, 128) == 2**16
    assert positions_read(100_000, 1024) == 2**13


def test_gpt_has_no_such_phase() -> None:
    trainer = Trainer(tiny_model(), SameBatch(), ObjectiveConfig(name="gpt"), SETTINGS, seed=0)
    assert trainer.total_steps == SETTINGS.steps
