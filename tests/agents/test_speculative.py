"""Lossless speculative acting takes the actions of deciding at every step, in fewer calls."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from torch import Tensor

from nextlat_rl.agents.acceptance import DraftedStep
from nextlat_rl.agents.agent import Agent
from nextlat_rl.agents.planning.config import PlannerConfig
from nextlat_rl.agents.planning.planner import make_planner
from nextlat_rl.agents.planning.planners.lookahead import LookaheadConfig
from nextlat_rl.agents.speculative import SpeculativeAgent
from nextlat_rl.drafting.length import AdaptiveLength, DraftLength, FixedLength
from nextlat_rl.world_model import WorldModel
from tests.helpers.ring import played
from tests.helpers.tiny import cartpole_model


@pytest.mark.parametrize("planner", ["none", "lookahead"])
@pytest.mark.parametrize("deterministic", [True, False])
def test_actions_are_those_of_deciding_at_every_step(
    ring: WorldModel, planner: str, deterministic: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = LookaheadConfig(depth=2, width=4) if planner == "lookahead" else PlannerConfig()

    def search() -> Any:
        return make_planner(ring, settings, deterministic=deterministic)

    plain = played("Ring-v0", Agent(ring, 5, "trunk", deterministic, 0, search()), 5, 12)
    assert sum(map(len, plain.values())) > 200
    lengths: list[DraftLength] = [FixedLength(0), FixedLength(1), FixedLength(4), AdaptiveLength(6)]
    for length in lengths:
        agent = SpeculativeAgent(ring, 3, length, deterministic, 0, search())
        # By this clock nothing but a decision takes time, so that the adaptive length drafts whatever runs beside.
        decided = Mock(wraps=agent.decide)
        agent.decide = decided
        clock = SimpleNamespace(perf_counter=lambda decided=decided: float(decided.call_count))
        monkeypatch.setattr("nextlat_rl.agents.agent.time", clock)
        assert played("Ring-v0", agent, 3, 12) == plain
        calls = agent.summary(planned=planner != "none")["trunk_calls_per_step"]
        assert calls == 1 if length.longest == 0 else calls < 0.9


def test_a_draft_stops_where_it_expects_an_end(ring: WorldModel, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = played("Ring-v0", Agent(ring, 1, "trunk", True), 1, 4)
    agent = SpeculativeAgent(ring, 1, FixedLength(6), True)
    drafted_step, exact, lengths = ring.draft_step, agent.acceptance.exact, set()

    def ends_at_home(belief: Tensor, action: Tensor) -> tuple[Tensor, ...]:
        belief, x, code, reward, _, observation = drafted_step(belief, action)
        return belief, x, code, reward, observation == 0, observation

    def watched(rows: Tensor, drafted: list[DraftedStep], count: int) -> Tensor:
        lengths.add(len(drafted))
        assert not any(any((leaf == 0).any() for leaf in step.token.observation.values()) for step in drafted)
        return exact(rows, drafted, count)

    monkeypatch.setattr(ring, "draft_step", ends_at_home)
    monkeypatch.setattr(agent.acceptance, "exact", watched)
    assert played("Ring-v0", agent, 1, 4) == plain
    assert 0 in lengths and len(lengths) > 2


def test_wrong_drafts_change_speed_and_nothing_else(ring: WorldModel) -> None:
    plain = played("Ring-v0", Agent(ring, 2, "trunk", False, 0), 2, 6)
    agent = SpeculativeAgent(ring, 2, FixedLength(3), False, 0)
    right = agent.guess
    agent.guess = lambda belief, episode, step: 1 - right(belief, episode, step)
    assert played("Ring-v0", agent, 2, 6) == plain
    assert agent.summary(planned=False)["trunk_calls_per_step"] > 0.95  # an environment without an episode left idles
    assert agent.statistics.kept[0] < 0.05 * agent.statistics.reached[0]


def test_continuous_observations_never_come_true_exactly_so_nothing_is_drafted() -> None:
    world_model = WorldModel(cartpole_model().eval(), "CartPole-v1")
    plain = played("CartPole-v1", Agent(world_model, 2, "trunk", True), 2, 4)
    agent = SpeculativeAgent(world_model, 2, FixedLength(2), True)
    assert played("CartPole-v1", agent, 2, 4) == plain
    assert agent.statistics.rounds == agent.statistics.accepted == 0
    assert agent.summary(planned=False)["trunk_calls_per_step"] == 1.0
