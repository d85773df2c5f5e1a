"""Promise 1: the loss and its gradients equal a plain, slow re-implementation of eqs. 3-5."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from nextlat_rl.models.nextlat import NextLat
from nextlat_rl.objectives.config import ObjectiveConfig
from nextlat_rl.objectives.forward import Forward, forward
from nextlat_rl.objectives.latent import random_positions, random_subset
from nextlat_rl.objectives.next_token import next_token_losses, policy_weights
from nextlat_rl.objectives.nextlat import start_count
from nextlat_rl.objectives.registry import make_objective
from nextlat_rl.objectives.returns import lambda_returns
from nextlat_rl.training.config import TrainerConfig
from nextlat_rl.training.trainer import Trainer
from nextlat_rl.types import Batch
from tests.helpers.tiny import assert_same_losses, compute_losses, double, make_batch, tiny_model, total_loss

JOINT = ("joint", "code_prior", "code_encoder")
WAIT = 2  # the last of a tiny model's actions
LENGTHS = [[5, 4, 3], [12], [2, 2, 8], [1, 11]]


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(7)


def slow_losses(model: NextLat, batch: Batch, config: ObjectiveConfig) -> dict[str, Tensor]:
    """Position by position, roll-out by roll-out, with the head frozen by copying it."""
    random = generator()
    out = forward(model, batch, generator=random)
    belief = out.belief
    frozen = tiny_model().double()
    frozen.load_state_dict(model.state_dict())
    frozen.requires_grad_(False)
    rows, columns = belief.shape[:2]
    sums: dict[str, list[Tensor]] = {k: [] for k in ("policy", "value", "reward", "end", "observation", *JOINT)}
    latent: dict[str, list[Tensor]] = {k: [] for k in ("latent", "kl", "latent_code", "kl_code")}
    values = model.value.mean(model.value.head(belief)).detach()
    targets = lambda_returns(batch.reward, batch.terminated, values, batch.has_next, config.discount, config.lambda_)
    for b in range(rows):
        for t in range(columns):
            h = belief[b, t]
            if not batch.has_action[b, t]:
                continue
            g = model.after(h, model.embed_action(batch.action[b, t]))
            answer = model.transition(g)
            sums["policy"].append(-model.action.log_prob(model.action.head(h), batch.action[b, t]))
            sums["reward"].append(
                -model.reward.log_prob(answer.reward[int(batch.terminated[b, t])], batch.reward[b, t])
            )
            p_end = torch.sigmoid(answer.end)
            sums["end"].append(-torch.log(p_end if batch.terminated[b, t] else 1 - p_end))
            if batch.has_next[b, t]:
                sums["value"].append(-model.value.log_prob(model.value.head(h), targets[b, t]))
                following = {k: v[b, t + 1] for k, v in batch.observation.items()}
                place = -model.observation["place"].log_prob(answer.observation["place"], following["place"])
                speed = model.observation["speed"].loss(answer.observation["speed"], following["speed"])
                sums["observation"].append(place + speed)
    count = round(config.code_share * batch.has_next.numel())
    for b, t in zip(*(x.tolist() for x in random_positions(batch.has_next, count, random)), strict=True):
        for name, value in slow_joint(model, batch, out, (b, t)).items():
            sums[name].append(value)
    may_start = batch.has_next if config.start_in_prompts else batch.has_next & (batch.action != WAIT)
    row, column = random_positions(may_start, start_count(batch.has_next.numel(), config), random)
    for kind in ("", "_code"):
        h = [belief[b, t].detach() if kind else belief[b, t] for b, t in zip(row, column, strict=True)]
        for i in range(1, config.horizon + 1):  # step by step, so that the pairs come in the order of the fast code
            for s, (b, t) in enumerate(zip(row.tolist(), column.tolist(), strict=True)):
                if t + i >= columns or not batch.has_next[b, t : t + i].all():
                    continue
                a = model.embed_action(batch.action[b, t + i - 1])
                observation = {k: v[b, t + i] for k, v in batch.observation.items()}
                x = (
                    (a + model.code.embed(out.code[b, t + i - 1])).detach()  # type: ignore[union-attr]
                    if kind
                    else model.embed_step(a, batch.reward[b, t + i - 1], observation, torch.tensor(False))
                )
                after = h[s] + model.dynamics_net(model.input_norm(torch.cat((h[s], x))))
                weight, bias = model.trunk.norm.weight.detach(), model.trunk.norm.bias.detach()
                plain = (after - bias) / weight
                plain = (plain - plain.mean()) / (plain.var(unbiased=False) + 1e-5).sqrt()
                h[s] = plain * weight + bias
                truth = belief[b, t + i].detach()
                latent[f"latent{kind}"].append(F.smooth_l1_loss(h[s], truth))
                latent[f"kl{kind}"].append(slow_kl(frozen, truth, h[s], batch, (b, t + i), out.code[b, t + i], config))
    chosen = random_subset(len(latent["kl"]), len(row), random).tolist()
    for name in ("kl", "kl_code"):
        latent[name] = [latent[name][i] for i in chosen]
    return {k: torch.stack(v).mean() for k, v in (sums | latent).items()}


def slow_joint(model: NextLat, batch: Batch, out: Forward, at: tuple[int, int]) -> dict[str, Tensor]:
    """The joint answer's losses at one position, with the code that the encoder drew there."""
    assert model.code is not None
    b, t = at
    g = model.after(out.belief[b, t], model.embed_action(batch.action[b, t])).detach()
    q = model.code.posterior(g, out.step_embedding[b, t + 1].detach(), batch.terminated[b, t])
    p = model.code_prior(g, out.code[b, t])
    sample = F.one_hot(out.code[b, t], q.shape[-1]) + q.softmax(-1) - q.softmax(-1).detach()
    answer = model.transition(g, sample)
    following = {name: leaf[b, t + 1] for name, leaf in batch.observation.items()}
    loss = sum(codec.loss(answer.observation[name], following[name]) for name, codec in model.observation.items())
    end = torch.sigmoid(answer.end)
    loss = loss - torch.log(end if batch.terminated[b, t] else 1 - end)
    loss = loss - model.reward.log_prob(answer.reward[int(batch.terminated[b, t])], batch.reward[b, t])
    return {"joint": loss, "code_prior": slow_divergence(q.detach(), p), "code_encoder": slow_divergence(q, p.detach())}


def slow_divergence(p: Tensor, q: Tensor) -> Tensor:
    """KL of categoricals, group by group."""
    return (p.softmax(-1) * (p.softmax(-1).log() - q.softmax(-1).log())).sum()


def slow_kl(
    frozen: NextLat,
    truth: Tensor,
    h: Tensor,
    batch: Batch,
    at: tuple[int, int],
    code: Tensor,
    config: ObjectiveConfig,
) -> Tensor:
    kl = config.value_weight * frozen.value.kl(frozen.value.head(truth), frozen.value.head(h))
    if not batch.has_action[at]:
        return kl
    kl = kl + frozen.action.kl(frozen.action.head(truth), frozen.action.head(h))
    after = frozen.embed_action(batch.action[at])
    g, guess = (frozen.after(state, after) for state in (truth, h))
    p, q = (frozen.transition(state, code) for state in (g, guess))
    ends, guessed = torch.sigmoid(p.end), torch.sigmoid(q.end)
    for end, probability in ((0, 1 - ends), (1, ends)):
        kl = kl + probability * frozen.reward.kl(p.reward[end], q.reward[end])
    kl = kl + ends * (ends / guessed).log() + (1 - ends) * ((1 - ends) / (1 - guessed)).log()
    seen = slow_divergence(frozen.code_prior(g, code), frozen.code_prior(guess, code))
    for name, codec in frozen.observation.items():
        seen = seen + codec.kl(p.observation[name], q.observation[name])
    return kl + config.observation_weight * seen


@pytest.mark.parametrize(("horizon", "start_in_prompts"), [(1, True), (3, True), (3, False)])
def test_losses_and_gradients_equal_slow_reference(horizon: int, start_in_prompts: bool) -> None:
    model, batch = double(tiny_model(), make_batch(LENGTHS))
    torch.manual_seed(1)
    for parameter in model.parameters():  # away from the initialisation, where heads are zero
        torch.nn.init.normal_(parameter, std=0.3)
    config = ObjectiveConfig(
        horizon=horizon, start_fraction=0.4, min_rollouts=1, start_in_prompts=start_in_prompts, code_share=0.3
    )
    fast = compute_losses(model, batch, config, generator())
    slow = slow_losses(model, batch, config)
    assert_same_losses(model, fast, slow, config, atol=1e-6, rtol=1e-5)


def test_latent_target_and_frozen_head_get_no_gradient() -> None:
    model, batch = tiny_model(), make_batch([[12]])
    losses = compute_losses(model, batch, ObjectiveConfig(start_fraction=1.0, horizon=2), generator())
    heads = [*model.value.logits.parameters(), *model.reward.logits.parameters(), *model.end.parameters()]
    gradients = torch.autograd.grad(losses["kl"], heads, allow_unused=True, retain_graph=True)
    assert all(gradient is None for gradient in gradients)
    trunk = torch.autograd.grad(losses["latent_code"], list(model.trunk.parameters()), allow_unused=True)
    assert all(gradient is None or not gradient.any() for gradient in trunk)


def test_heads_train_again_after_being_frozen() -> None:
    model, batch = tiny_model(), make_batch([[12]])
    losses = compute_losses(model, batch, ObjectiveConfig(), generator())
    losses["kl"].backward(retain_graph=True)
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_nothing_crosses_an_episode_boundary() -> None:
    """What another episode holds changes neither the loss of this one nor its roll-outs."""
    model, batch = tiny_model(), make_batch([[6, 6]])
    changed = make_batch([[6, 6]])
    for leaf in changed.observation.values():
        leaf[:, 6:] = leaf[:, 6:].flip(1)
    first = [forward(model, b) for b in (batch, changed)]
    torch.testing.assert_close(first[0].belief[:, :6], first[1].belief[:, :6])
    row, column = random_positions(batch.has_next, batch.has_next.numel(), generator())
    assert set(column.tolist()) == {0, 1, 2, 3, 4, 6, 7, 8, 9, 10}
    assert row.unique().tolist() == [0]


def test_gpt_is_the_next_token_part_of_nextlat() -> None:
    model, batch = tiny_model(), make_batch(LENGTHS)
    gpt = compute_losses(model, batch, ObjectiveConfig(name="gpt"), generator())
    nextlat = compute_losses(model, batch, ObjectiveConfig(), generator())
    assert set(nextlat) - set(gpt) == {"latent", "kl", "latent_code", "kl_code"}
    for name in gpt:
        torch.testing.assert_close(gpt[name], nextlat[name])


def test_without_a_code_weight_the_grounded_losses_stay() -> None:
    model, batch = tiny_model(), make_batch(LENGTHS)
    both = compute_losses(model, batch, ObjectiveConfig(), generator())
    grounded = compute_losses(model, batch, ObjectiveConfig(code_weight=0), generator())
    assert set(both) - set(grounded) == {"latent_code", "kl_code"}
    for name in grounded:
        torch.testing.assert_close(grounded[name], both[name])


def test_lambda_returns_by_hand() -> None:
    reward = torch.tensor([[1.0, 2.0, 4.0, 0.0, 8.0]])
    value = torch.tensor([[10.0, 20.0, 30.0, 40.0, 50.0]])
    terminated = torch.tensor([[False, False, True, False, False]])
    has_next = torch.tensor([[True, True, True, False, False]])  # column 3 ends the episode, column 4 is cut off
    monte_carlo = lambda_returns(reward, terminated, value, has_next, 0.5, 1.0)
    assert monte_carlo.tolist() == [[1 + 0.5 * (2 + 0.5 * 4), 2 + 0.5 * 4, 4.0, 40.0, 50.0]]
    one_step = lambda_returns(reward, terminated, value, has_next, 0.5, 0.0)
    assert one_step.tolist() == [[11.0, 17.0, 4.0, 40.0, 50.0]]


def test_time_limit_bootstraps_and_termination_does_not() -> None:
    reward, value = torch.ones(1, 2), torch.full((1, 2), 7.0)
    has_next = torch.tensor([[True, False]])
    for terminated, expected in ((True, 1.0), (False, 1 + 0.9 * 7)):
        flag = torch.tensor([[terminated, False]])
        assert lambda_returns(reward, flag, value, has_next, 0.9, 1.0)[0, 0] == pytest.approx(expected)


def test_policy_weights_favour_advantage_and_average_one() -> None:
    advantage = torch.tensor([[-1.0, 0.0, 1.0, 99.0]])
    known = torch.tensor([[True, True, True, False]])
    weight = policy_weights(advantage, known, temperature=0.5)
    assert weight[known].mean().item() == pytest.approx(1.0)
    assert weight[0, 0] < weight[0, 1] < weight[0, 2]
    assert weight[0, 2] / weight[0, 1] == pytest.approx(torch.e**2, rel=1e-4)
    assert policy_weights(advantage, known, temperature=0).tolist() == [[1.0] * 4]


def test_the_advantage_can_be_over_the_mean_return() -> None:
    """A value that foresees the return leaves no advantage; the mean return does."""
    model, batch = tiny_model(), make_batch(LENGTHS)
    out = forward(model, batch)
    value, known = model.value.mean(out.value.detach()), batch.has_next
    target = lambda_returns(batch.reward, batch.terminated, value, known, 0.99, 0.95)
    loss = -model.action.log_prob(out.policy, batch.action)
    for baseline, advantage in (("value", target - value), ("mean", target - target[known].mean())):
        config = ObjectiveConfig(policy_temperature=0.5, policy_baseline=baseline)
        weighted = policy_weights(advantage, known, 0.5) * loss
        expected = weighted[batch.has_action].mean()
        torch.testing.assert_close(next_token_losses(model, batch, out, config)["policy"], expected)


def test_the_latent_losses_come_in_over_the_warm_up() -> None:
    """From 0 to their weights over the first two fifths of training; without a warm-up they are there at once."""
    config = ObjectiveConfig(latent_weight=2.0, kl_weight=3.0, latent_warmup=0.4)
    at = map(make_objective(config).weights, (0.0, 0.1, 0.2, 0.4, 1.0))
    weights = [(weight["latent"], weight["kl"]) for weight in at]
    assert np.allclose(weights, [(0, 0), (0.5, 0.75), (1, 1.5), (2, 3), (2, 3)])
    config = dataclasses.replace(config, latent_warmup_power=2.0)
    at = map(make_objective(config).weights, (0.0, 0.1, 0.2, 0.4, 1.0))
    weights = [(weight["latent"], weight["kl"]) for weight in at]
    assert np.allclose(weights, [(0, 0), (0.125, 0.1875), (0.5, 0.75), (2, 3), (2, 3)])
    objective = make_objective(ObjectiveConfig())
    assert objective.weights(0.0) == objective.weights()


def test_a_step_is_taken_with_the_warm_ups_weights() -> None:
    """Halfway through the warm-up what is minimised holds half of both latent losses, grounded and open loop."""
    model, batch = tiny_model(), make_batch([[5, 4, 3]])
    config = ObjectiveConfig(horizon=2, start_fraction=1.0, latent_weight=4.0, kl_weight=2.0, latent_warmup=1.0)
    batches = SimpleNamespace(batch=lambda step: batch)
    trainer = Trainer(
        model, batches, config, TrainerConfig(steps=4, dynamics_finetune_steps=0, learning_rate=1e-3), seed=0
    )
    trainer.step = 2
    found = trainer.train_step()
    half = dataclasses.replace(config, latent_weight=2.0, kl_weight=1.0, latent_warmup=0.0)
    weighted = total_loss({name: x for name, x in found.items() if name not in ("loss", "grad_norm")}, half)
    torch.testing.assert_close(found["loss"], weighted)
    assert min(found[name] for name in ("latent", "latent_code", "kl", "kl_code")) > 0


@torch.no_grad()
def test_layer_dropout_leaves_layers_out_in_training_alone() -> None:
    """At a rate of 1 a step is always taken without the last block; a trained model is used whole."""
    model, batch = tiny_model(), make_batch([[5, 4, 3]])
    config = ObjectiveConfig(name="gpt", layer_dropout=1.0)
    found = compute_losses(model, batch, config, generator())
    random = generator()
    torch.rand(len(model.trunk.blocks), generator=random)  # the draw of the blocks to drop
    expected = next_token_losses(model, batch, forward(model, batch, dropped={1}, generator=random), config)
    assert {name: float(found[name]) for name in expected} == {name: float(x) for name, x in expected.items()}
    whole = next_token_losses(model, batch, forward(model, batch), config)
    assert float(whole["policy"]) != float(found["policy"])
