"""Linear probes and length generalisation, where the values are known."""

from __future__ import annotations

import dataclasses

import gymnasium as gym
import pytest
import torch
import torch.nn.functional as F

from nextlat_rl.metrics.lengths import accuracy_by_length, carry
from nextlat_rl.metrics.probes import probe_cross_entropy, probe_curve
from nextlat_rl.objectives.forward import forward
from tests.helpers.tiny import make_batch, tiny_model


def test_probe_reads_what_is_linear_and_no_more() -> None:
    """One-hot features: no uncertainty left. Constant features: the entropy of the labels. XOR: nothing linear."""
    torch.manual_seed(0)
    labels = torch.arange(600) % 3
    assert probe_cross_entropy(F.one_hot(labels).float(), labels, F.one_hot(labels).float(), labels, 3, 1e-6) < 1e-3
    skewed = (torch.arange(600) % 4 == 0).long()
    constant = torch.ones(600, 5)
    entropy = -(0.25 * torch.tensor(0.25).log() + 0.75 * torch.tensor(0.75).log()).item()
    assert probe_cross_entropy(constant, skewed, constant, skewed, 2) == pytest.approx(entropy, abs=1e-4)
    bits = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]).repeat(50, 1)
    xor = (bits.sum(1) == 1).long()
    assert probe_cross_entropy(bits, xor, bits, xor, 2) == pytest.approx(torch.tensor(2.0).log().item(), abs=1e-4)


def test_probe_is_scored_on_what_it_was_not_fitted_to() -> None:
    x = F.one_hot(torch.arange(100) % 2).float()
    labels = torch.arange(100) % 2
    assert probe_cross_entropy(x, labels, x, 1 - labels, 2) > 3


def test_curve_reads_the_action_k_steps_on_within_its_episode() -> None:
    """Actions that repeat with period two, in step with the place that is seen: every distance can be read off."""
    model = tiny_model()
    lengths = [[9, 3], [12], [7, 5], [12]] * 5
    batch = make_batch(lengths)
    segment = batch.segment
    step = torch.zeros_like(segment)
    for t in range(1, 12):
        step[:, t] = torch.where(segment[:, t] == segment[:, t - 1], step[:, t - 1] + 1, 0)
    batch = dataclasses.replace(batch, action=step % 2, observation=batch.observation | {"place": step % 2})
    curve = probe_curve(model, batch, batch)
    assert len(curve) == 11  # of 12 rows the last has no action
    assert max(curve[:6]) < 0.3
    shuffled = dataclasses.replace(
        batch, action=torch.randint(2, step.shape, generator=torch.Generator().manual_seed(0))
    )
    assert probe_curve(model, shuffled, shuffled, distances=(1,))[0] > 0.5


def test_curve_wants_tokens() -> None:
    model = tiny_model()
    model.spaces = dataclasses.replace(model.spaces, action=gym.spaces.Box(-1, 1, (2,)))
    with pytest.raises(ValueError, match="Discrete actions"):
        probe_curve(model, make_batch([[12]]), make_batch([[12]]))


def test_accuracy_by_length_of_trunk_and_recurrent_beliefs() -> None:
    """Against a plain loop, on episodes of different lengths; what is not scored does not count."""
    model = tiny_model()
    torch.manual_seed(4)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    batch = make_batch([[8, 1], [9], [5, 4]])
    own = batch.segment == batch.segment[:, :1]  # as in held-out batches: one episode per window, then filling
    batch = dataclasses.replace(
        batch,
        has_action=batch.has_action & own,
        has_next=batch.has_next & own & torch.roll(own, -1, 1),
        segment=batch.segment.masked_fill(~own, -1),
        valid=own,
    )
    scored = torch.ones_like(own)
    scored[:, 2] = False
    table = accuracy_by_length(model, batch, scored)
    out = forward(model, batch)
    right: dict[str, dict[int, list[bool]]] = {"trunk": {}, "recurrent": {}}
    for b, rows in enumerate((8, 9, 5)):
        carried = out.belief[b, 0]
        for t in range(rows - 1):
            carried = model.dynamics(carried, out.step_embedding[b, t]) if t else carried
            for name, belief in (("trunk", out.belief[b, t]), ("recurrent", carried)):
                answer = model.action.mode(model.action.head(belief))
                right[name].setdefault(t + 1, []).append(bool(answer == batch.action[b, t]))
    assert table["length"] == [1, 2, 4, 5, 6, 7, 8]
    for name, by_length in right.items():
        expected = [sum(by_length[int(n)]) / len(by_length[int(n)]) for n in table["length"]]
        assert table[name] == pytest.approx(expected)
    assert table["trunk"] != table["recurrent"]


def test_carries_each_episode_from_its_first_step() -> None:
    """Against a plain loop over episodes."""
    model, windows = tiny_model(), [[5, 4, 3], [12], [2, 2, 8], [1, 11]]
    batch = make_batch(windows)
    out = forward(model, batch)
    carried = carry(model, batch, out)
    for b, window in enumerate(windows):
        t = 0
        for rows in window:
            belief = out.belief[b, t]
            torch.testing.assert_close(carried[b, t], belief)
            for i in range(t + 1, t + rows):
                belief = model.dynamics(belief, out.step_embedding[b, i])
                torch.testing.assert_close(carried[b, i], belief)
            t += rows
