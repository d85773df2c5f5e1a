"""Prompts count as little as they are told to, in the token losses of every objective, and fully in the latent ones."""

from __future__ import annotations

import dataclasses

import gymnasium as gym
import pytest
import torch
import torch.nn.functional as F

from nextlat_rl.errors import UserError
from nextlat_rl.models.answer import end_log_prob, observation_loss
from nextlat_rl.models.nextlat import NextLat
from nextlat_rl.objectives.config import ObjectiveConfig
from nextlat_rl.objectives.forward import forward
from nextlat_rl.objectives.latent import head_kl, targets
from nextlat_rl.objectives.weights import prompts, token_weights, weighted_mean
from nextlat_rl.types import Batch
from tests.helpers.tiny import compute_losses, make_batch, tiny_model

WAIT = 2  # the last of the tiny model's three actions
LENGTHS = [[5, 4, 3], [12]]


def random_model(baseline: str = "", horizon: int = 1) -> NextLat:
    model = tiny_model(baseline=baseline, horizon=horizon)
    torch.manual_seed(1)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model


def losses(model: NextLat, batch: Batch, **settings: float | str) -> dict[str, torch.Tensor]:
    config = ObjectiveConfig(start_fraction=1.0, **settings)  # type: ignore[arg-type]
    return compute_losses(model, batch, config, torch.Generator().manual_seed(0))


def test_weighted_mean_by_hand() -> None:
    x = torch.tensor([1.0, 3.0, float("nan")])
    assert weighted_mean(x, torch.tensor([True, True, False])) == 2.0
    assert weighted_mean(x, torch.tensor([0.1, 0.3, 0.0])) == pytest.approx(2.5)
    assert weighted_mean(x, torch.zeros(3)) == 0.0


def test_token_weights_by_hand() -> None:
    """Waiting weighs a quarter, other actions 1, and an episode's last row, which has no action, nothing."""
    batch = make_batch([[4, 2]])
    action = torch.tensor([[WAIT, 0, WAIT, WAIT, 1, WAIT]])
    batch = dataclasses.replace(batch, action=action)
    model = tiny_model()
    assert token_weights(model, batch, 0.25).tolist() == [[0.25, 1, 0.25, 0, 1, 0]]
    assert token_weights(model, batch, 1.0).tolist() == [[1, 1, 1, 0, 1, 0]]


def test_masked_losses_are_means_over_the_answers_tokens() -> None:
    model, batch = random_model(), make_batch(LENGTHS)
    out = forward(model, batch)
    answer = batch.has_action & (batch.action != WAIT)
    found = losses(model, batch, name="gpt", prompt_weight=0.0)
    torch.testing.assert_close(found["policy"], -model.action.log_prob(out.policy, batch.action)[answer].mean())
    torch.testing.assert_close(found["end"], -end_log_prob(out.transition, batch.terminated)[answer].mean())
    following = {name: leaf.roll(-1, 1) for name, leaf in batch.observation.items()}
    seen = observation_loss(model, out.transition, following)[answer & batch.has_next].mean()
    torch.testing.assert_close(found["observation"], seen)


@pytest.mark.parametrize("name", ["mtp", "jtp", "bst"])
def test_rivals_do_not_learn_prompts_either(name: str) -> None:
    """Where all but one token is a prompt's, every prediction is of that one: the same for any horizon that reaches it.

    Its reward is unlike the prompts', so a change of the prompts' rewards alone must not be noticed.
    """
    model, batch = random_model(name, horizon=2), make_batch([[12]])
    batch = dataclasses.replace(batch, action=torch.full_like(batch.action, WAIT).index_fill(1, torch.tensor([6]), 0))
    answer = batch.action != WAIT
    # The loss looks at `reward`, the trunk at `previous_reward`: only what is predicted changes.
    changed = dataclasses.replace(batch, reward=torch.where(answer, batch.reward, 1 - batch.reward))
    names = ("pair_next", "pair_previous") if name == "bst" else ("ahead",)
    for loss in names:
        masked = [
            losses(model, b, name=name, horizon=2, prompt_weight=0.0, pair_fraction=1.0)[loss] for b in (batch, changed)
        ]
        counted = [losses(model, b, name=name, horizon=2, pair_fraction=1.0)[loss] for b in (batch, changed)]
        assert masked[0] == masked[1] > 0
        assert counted[0] != counted[1]


def test_latent_losses_are_not_masked() -> None:
    model, batch = random_model(), make_batch(LENGTHS)
    masked, counted = losses(model, batch, prompt_weight=0.0), losses(model, batch)
    assert masked["policy"] != counted["policy"]
    for name in ("latent", "kl", "latent_code", "kl_code", "value"):
        assert masked[name] == counted[name]


def test_roll_outs_can_begin_at_answers_alone() -> None:
    """Of twelve tokens one is an answer's: its roll-out alone counts. 0, not NaN, where all are a prompt's."""
    model, batch = random_model(), make_batch([[12]])
    prompt = dataclasses.replace(batch, action=torch.full_like(batch.action, WAIT))
    names = ("latent", "kl", "latent_code", "kl_code")
    none = losses(model, prompt, horizon=1, start_in_prompts=False)
    assert [none[name] for name in names] == [0, 0, 0, 0]
    one = dataclasses.replace(prompt, action=prompt.action.index_fill(1, torch.tensor([5]), 0))
    out = forward(model, one)
    rolled = model.dynamics(out.belief[:, 5], out.step_embedding[:, 6])
    found = losses(model, one, horizon=1, start_in_prompts=False)
    torch.testing.assert_close(found["latent"], F.smooth_l1_loss(rolled, out.belief[:, 6]))
    at = (torch.tensor([0]), torch.tensor([6]))
    torch.testing.assert_close(found["kl"], head_kl(model, targets(one, out).at(at), rolled, ObjectiveConfig())[0])
    everywhere = losses(model, one, horizon=1)
    assert all(found[name] != everywhere[name] for name in names)


def test_prompts_are_told_by_a_last_action() -> None:
    model = tiny_model()
    model.spaces = dataclasses.replace(model.spaces, action=gym.spaces.Box(-1, 1, (1,)))
    with pytest.raises(UserError, match=r"objective\.prompt_weight=0\.5 needs Discrete actions"):
        token_weights(model, make_batch([[3]]), 0.5)
    with pytest.raises(UserError, match=r"objective\.start_in_prompts=false needs Discrete actions"):
        prompts(model, make_batch([[3]]), "start_in_prompts=false")
