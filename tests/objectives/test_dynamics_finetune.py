"""The last phase of training: the latent dynamics alone, over whole windows."""

import torch
import torch.nn.functional as F

from nextlat_rl.objectives.config import ObjectiveConfig
from nextlat_rl.objectives.dynamics_finetune import carry, dynamics_finetune_losses
from nextlat_rl.objectives.forward import forward
from nextlat_rl.training.config import TrainerConfig
from nextlat_rl.training.trainer import Trainer
from nextlat_rl.types import Batch
from tests.helpers.tiny import make_batch, tiny_model

LENGTHS = [[5, 4, 3], [12], [2, 2, 8], [1, 11]]
SETTINGS = TrainerConfig(
    steps=3,
    dynamics_finetune_steps=100,
    batch_size=4,
    dynamics_finetune_batch_size=4,
    learning_rate=1e-3,
    eval_episodes=1,
    warmup=1,
)


class SameBatch:
    def batch(self, step: int) -> Batch:
        return make_batch(LENGTHS)


def test_follows_each_episode_from_its_first_step() -> None:
    """Against a plain loop over episodes."""
    model, batch = tiny_model(), make_batch(LENGTHS)
    out = forward(model, batch)
    carried, known = carry(model, batch, out, out.step_embedding[None])
    followed = carried[0]
    for b, window in enumerate(LENGTHS):
        t = 0
        for rows in window:
            belief = out.belief[b, t]
            torch.testing.assert_close(followed[b, t], belief)
            assert not known[b, t]
            for i in range(t + 1, t + rows):
                belief = model.dynamics(belief, out.step_embedding[b, i])
                torch.testing.assert_close(followed[b, i], belief)
                assert known[b, i]
            t += rows


def test_loss_is_the_mean_over_what_was_followed() -> None:
    model, batch = tiny_model(), make_batch(LENGTHS)
    out = forward(model, batch)
    carried, known = carry(model, batch, out, out.step_embedding[None])
    followed = carried[0]
    losses = dynamics_finetune_losses(model, batch, ObjectiveConfig(code_weight=0), torch.Generator().manual_seed(0))
    pairs = zip(followed[known], out.belief[known], strict=True)
    expected = torch.stack([F.smooth_l1_loss(a, b) for a, b in pairs]).mean()
    torch.testing.assert_close(losses["latent_finetune"], expected)


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
        errors.append(trainer.train_step()["latent_finetune"])
    changed = {name for name, parameter in model.named_parameters() if not torch.equal(parameter, before[name])}
    assert changed == {name for name in before if name.startswith(("dynamics_net.", "input_norm."))}
    assert errors[-1] < 0.5 * errors[0]


def test_gpt_has_no_such_phase() -> None:
    trainer = Trainer(tiny_model(), SameBatch(), ObjectiveConfig(name="gpt"), SETTINGS, seed=0)
    assert trainer.total_steps == SETTINGS.steps
