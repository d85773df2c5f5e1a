"""The discrete planners find known optima, decide each row on its own, and cost what they say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nextlat_rl.agents.planning.model import Plan
from nextlat_rl.agents.planning.planners.gumbel import GumbelConfig, considered_visits, gumbel_tree_search
from nextlat_rl.agents.planning.planners.lookahead import LookaheadConfig, lookahead
from tests.helpers.fake_worlds import Peek, Shuffled, bandit, chain, grid

Plan_ = Callable[..., Plan]


def plan_lookahead(world: Any, belief: torch.Tensor, seed: int = 0, greedy: bool = True, depth: int = 6) -> Plan:
    config = LookaheadConfig(depth=depth, width=32, value_scale=50.0)
    noise = torch.rand(len(belief), sum(config.num_uniforms(world)), generator=torch.Generator().manual_seed(seed))
    return lookahead(world, belief, noise, config, greedy)[0]


def plan_gumbel(world: Any, belief: torch.Tensor, seed: int = 0, greedy: bool = True) -> Plan:
    config = GumbelConfig(num_simulations=64)
    size = world.actions + config.num_simulations * world.num_uniforms
    noise = torch.rand(len(belief), size, generator=torch.Generator().manual_seed(seed))
    return gumbel_tree_search(world, belief, noise, config, greedy)


planners = pytest.mark.parametrize("plan", [plan_lookahead, plan_gumbel], ids=["lookahead", "gumbel"])


@planners
def test_bandit_takes_the_best_arm(plan: Plan_) -> None:
    decided = plan(bandit([0.1, 0.9, 0.3, 0.2]), bandit([0.0] * 4).at(0))
    assert decided.action.tolist() == [1]
    assert decided.weights.argmax() == 1
    torch.testing.assert_close(decided.q[0], torch.tensor([0.1, 0.9, 0.3, 0.2]))


@planners
def test_chain_is_seen_to_its_end(plan: Plan_) -> None:
    world = chain(4)
    decided = plan(world, world.at(0, 1, 3))
    assert decided.action.tolist() == [0, 0, 0]
    assert decided.sequence[0, :4].tolist() == [0, 0, 0, 0]
    assert decided.value[2] > 0.9


@planners
def test_grid_walks_to_the_goal(plan: Plan_) -> None:
    world = grid(3)
    for start in range(8):
        state, steps = start, 0
        while state != 8:
            state = int(world.following[state, plan(world, world.at(state)).action[0]])
            steps += 1
            assert steps <= 4
        row, column = divmod(start, 3)
        assert steps == 2 - row + 2 - column


@planners
def test_information_is_worth_its_price_when_answers_are_drawn(plan: Plan_) -> None:
    decided = plan(Peek(), Peek().at(0, 1, 2))
    assert decided.action.tolist() == [2, 0, 1]


@planners
def test_rows_are_decided_on_their_own(plan: Plan_) -> None:
    world = grid(3)
    belief = world.at(0, 3, 5, 7)
    together = plan(world, belief, greedy=False)
    for i in range(4):
        config = LookaheadConfig(depth=6, width=32, value_scale=50.0)
        size = sum(config.num_uniforms(world)) if plan is plan_lookahead else world.actions
        noise = torch.rand(4, size, generator=torch.Generator().manual_seed(0))[i : i + 1]
        if plan is plan_lookahead:
            alone = lookahead(world, belief[i : i + 1], noise, config, False)[0]
        else:
            alone = gumbel_tree_search(world, belief[i : i + 1], noise, GumbelConfig(num_simulations=64), False)
        assert alone.action[0] == together.action[i]
        torch.testing.assert_close(alone.weights[0], together.weights[i])


@planners
def test_renaming_the_actions_renames_the_decision(plan: Plan_) -> None:
    world, order = bandit([0.1, 0.9, 0.3, 0.2]), [2, 0, 3, 1]
    plain, renamed = plan(world, world.at(0)), plan(Shuffled(world, order), world.at(0))
    torch.testing.assert_close(renamed.weights, plain.weights[:, order])
    assert order[int(renamed.action)] == int(plain.action)


@planners
@settings(deadline=None, max_examples=10)
@given(seed=st.integers(0, 1000))
def test_actions_are_legal_and_weights_a_distribution(plan: Plan_, seed: int) -> None:
    torch.manual_seed(seed)
    world = grid(3)
    world.logits, world.values = 3 * torch.randn(9, 4), torch.randn(9)
    decided = plan(world, world.at(*range(8)), seed, greedy=False)
    assert ((decided.action >= 0) & (decided.action < 4)).all()
    torch.testing.assert_close(decided.weights.sum(-1), torch.ones(8))
    assert torch.equal(decided.sequence[:, 0], decided.action)


def test_lookahead_cost_is_one_call_per_depth_and_linear_in_width() -> None:
    evaluated = {}
    for width in (16, 32, 64):
        world = grid(4)
        config = LookaheadConfig(depth=8, width=width)
        lookahead(world, world.at(0), torch.rand(1, sum(config.num_uniforms(world))), config, True)
        assert world.calls == 8
        assert world.evaluated == sum(config.sizes(4)[1:])
        evaluated[width] = world.evaluated
    assert evaluated[64] / evaluated[32] < 2.05
    assert evaluated[32] / evaluated[16] < 2.05


def test_gumbel_cost_is_one_call_per_simulation() -> None:
    world = grid(4)
    gumbel_tree_search(world, world.at(0, 1), torch.rand(2, 4), GumbelConfig(num_simulations=24), True)
    assert world.calls == 24


def test_lookahead_with_no_trust_in_values_follows_the_prior() -> None:
    world = bandit([0.0, 1.0])
    world.logits = torch.tensor([[2.0, 0.0], [0.0, 0.0]])
    config = LookaheadConfig(depth=3, width=8, value_scale=0.0)
    decided = lookahead(world, world.at(0), torch.rand(1, sum(config.num_uniforms(world))), config, True)[0]
    torch.testing.assert_close(decided.weights[0], world.logits[0].softmax(-1))


def test_lookahead_without_greed_draws_from_the_improved_policy() -> None:
    world = bandit([0.0, 0.02, 0.04])
    config = LookaheadConfig(depth=1, width=3, value_scale=20.0)
    count = 20_000
    noise = torch.rand(count, sum(config.num_uniforms(world)), generator=torch.Generator().manual_seed(1))
    decided = lookahead(world, world.at(*[0] * count), noise, config, False)[0]
    frequency = torch.bincount(decided.action, minlength=3) / count
    torch.testing.assert_close(frequency, decided.weights[0], atol=0.015, rtol=0)


def test_sequences_are_drawn_without_replacement_and_from_the_prior() -> None:
    """With values that say nothing the first of the kept sequences is a draw from the prior over sequences."""
    world = bandit([0.0, 0.0])
    world.ends[:] = False
    world.logits = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    config = LookaheadConfig(depth=2, width=3, value_scale=0.0)
    count = 20_000
    noise = torch.rand(count, sum(config.num_uniforms(world)), generator=torch.Generator().manual_seed(2))
    level = lookahead(world, world.at(*[0] * count), noise, config, True)[1][-1]
    first = lookahead(world, world.at(*[0] * count), noise, config, True)[1][1].action.gather(1, level.parent)
    codes = first * 2 + level.action
    assert all(len(set(row.tolist())) == 3 for row in codes[:200])
    top = codes[:, 0]
    p, q = torch.tensor([1.0, 0.0]).softmax(-1), torch.tensor([0.0, 1.0]).softmax(-1)
    expected = (p[:, None] * q[None]).flatten()
    torch.testing.assert_close(torch.bincount(top, minlength=4) / count, expected, atol=0.015, rtol=0)


def test_sequential_halving_schedule() -> None:
    assert considered_visits(1, 3) == [0, 1, 2]
    assert considered_visits(4, 8) == [0, 0, 0, 0, 1, 1, 2, 2]
    assert len(considered_visits(7, 50)) == 50
