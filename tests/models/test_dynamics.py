"""The latent dynamics stays among beliefs that the trunk can have; without a code it is the paper's equation."""

from __future__ import annotations

import torch

from nextlat_rl.models.nextlat import NextLat
from tests.helpers.tiny import make_batch, tiny_model


def norms_of_another_scale(model: NextLat) -> NextLat:
    norm = model.trunk.norm
    with torch.no_grad():
        norm.weight.uniform_(0.5, 2.0)
        norm.bias.normal_()
    return model


@torch.no_grad()
def test_a_roll_out_in_code_never_leaves_what_the_trunks_final_norm_can_give() -> None:
    model = norms_of_another_scale(tiny_model())
    width, norm = model.config.width, model.trunk.norm
    for parameter in model.dynamics_net.parameters():
        parameter.normal_()  # by itself it would grow at every step
    belief = torch.randn(5, model.belief_size)
    for _ in range(200):
        belief = model.dynamics(belief, torch.randn(5, model.belief_size))
    plain = (belief[:, :width] - norm.bias) / norm.weight
    torch.testing.assert_close(plain.mean(-1), torch.zeros(5), atol=1e-4, rtol=0)
    torch.testing.assert_close(plain.var(-1, unbiased=False), torch.ones(5), atol=1e-3, rtol=0)


@torch.no_grad()
def test_a_belief_of_the_trunk_stays_as_it_is_where_the_network_changes_nothing() -> None:
    model = norms_of_another_scale(tiny_model())
    for parameter in model.dynamics_net[-1].parameters():
        parameter.zero_()
    batch = make_batch([[9, 7]])
    belief = model.beliefs(torch.randn(1, batch.segment.shape[1], model.belief_size), batch.segment)[0]
    after = model.dynamics(belief, torch.zeros_like(belief))
    width = model.config.width
    torch.testing.assert_close(after[:, :width], belief[:, :width], atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_without_a_code_it_is_equation_9() -> None:
    model = norms_of_another_scale(tiny_model(answer="product"))
    belief, step = torch.randn(2, 5, model.belief_size)
    (hidden, numbers), (embedding, following) = model.split(belief), model.split(step)
    joined = torch.cat((model.input_norm(torch.cat((hidden, embedding), -1)), numbers, following), -1)
    assert torch.equal(model.dynamics(belief, step), torch.cat((hidden + model.dynamics_net(joined), following), -1))
