"""Tolerant acting: exact without tolerance, cheap with all of it, and within the risk where it was calibrated."""

from __future__ import annotations

import pytest
import torch

from nextlat_rl.agents.acceptance import WithinTolerance
from nextlat_rl.agents.agent import Agent, Decision
from nextlat_rl.agents.calibration import ShadowAgent, accepted_at, calibrate, changed, upper_end
from nextlat_rl.agents.episodes import run_episodes
from nextlat_rl.agents.speculative import SpeculativeAgent
from nextlat_rl.drafting.length import AdaptiveLength, FixedLength
from nextlat_rl.world_model import WorldModel
from tests.helpers.ring import played
from tests.helpers.tiny import cartpole_model


class _InTurns(FixedLength):
    """No draft three times, then one, and so on."""

    turns = 0

    def choose(self) -> int:
        self.turns += 1
        return 0 if self.turns % 4 else self.longest


@pytest.mark.parametrize("env_id", ["Ring-v0", "CartPole-v1"])
def test_without_tolerance_actions_are_those_of_deciding_at_every_step(ring: WorldModel, env_id: str) -> None:
    world_model = ring if env_id == "Ring-v0" else WorldModel(cartpole_model().eval(), env_id)
    plain = played(env_id, Agent(world_model, 3, "trunk", True), 3, 9)
    for length in (FixedLength(0), FixedLength(3), AdaptiveLength(4), _InTurns(4)):
        agent = SpeculativeAgent(world_model, 3, length, tolerance=0.0, deterministic=True)
        assert isinstance(agent.acceptance, WithinTolerance)
        agent.acceptance.tolerance = -1.0  # from now on: an agent made with it does not even draft
        assert played(env_id, agent, 3, 9) == plain
        assert agent.statistics.accepted == 0


def test_what_nothing_can_pass_is_not_drafted(ring: WorldModel) -> None:
    plain = played("Ring-v0", Agent(ring, 3, "trunk", True), 3, 9)
    agent = SpeculativeAgent(ring, 3, FixedLength(3), tolerance=-1.0, deterministic=True)
    assert played("Ring-v0", agent, 3, 9) == plain
    assert agent.statistics.rounds == 0


def test_with_all_tolerance_every_draft_is_used_to_its_end(ring: WorldModel) -> None:
    agent = SpeculativeAgent(ring, 1, FixedLength(3), tolerance=float("inf"), deterministic=True)
    lengths = [len(actions) for actions in played("Ring-v0", agent, 1, 6).values()]
    assert agent.calls == sum(-(-length // 4) for length in lengths)


def test_reading_late_reads_the_same(ring: WorldModel) -> None:
    """After a draft was used up, the trunk's belief is that of an agent which read every step."""
    tolerant = SpeculativeAgent(ring, 2, FixedLength(2), tolerance=float("inf"), deterministic=True)
    both = ShadowAgent(Agent(ring, 2, "trunk", True), tolerant, tolerant_plays=True)
    seen = 0

    def watch(decision: Decision) -> None:
        nonlocal seen
        if not tolerant.ahead.any():  # both rows have just been read
            torch.testing.assert_close(tolerant.belief, both.exact.belief, atol=1e-5, rtol=0)
            seen += 1

    both.on_decision = watch
    run_episodes("Ring-v0", both, range(4), 2)
    assert seen > 5


def test_the_calibrated_risk_holds_on_fresh_seeds(ring: WorldModel) -> None:
    def share_wrong(tolerance: float) -> tuple[float, int]:
        agent = SpeculativeAgent(ring, 4, FixedLength(4), True, tolerance=tolerance)
        both = ShadowAgent(Agent(ring, 4, "trunk", True), agent, tolerant_plays=True)
        run_episodes("Ring-v0", both, range(1000, 1100), 4)
        wrong = torch.cat(both.wrong)
        return float(wrong.float().mean()), len(wrong)

    risk = 0.1
    probe = SpeculativeAgent(ring, 4, FixedLength(4), True, tolerance=0.0)
    (tolerance,) = calibrate(Agent(ring, 4, "trunk", True), probe, [risk], seed=5000)
    assert 0 < tolerance < float("inf")
    share, ahead = share_wrong(tolerance)
    assert ahead > 300
    assert share <= risk
    assert share_wrong(float("inf"))[0] > risk  # the check can fail: without a tolerance the same drafts break it


def test_each_of_several_risks_gets_what_it_would_have_got_alone(ring: WorldModel) -> None:
    def calibrated(*risks: float) -> list[float]:
        probe = SpeculativeAgent(ring, 4, FixedLength(4), True, tolerance=0.0)
        return calibrate(Agent(ring, 4, "trunk", True), probe, risks, 40, seed=5000)

    low, high = calibrated(0.1, 0.3)
    assert [low, high] == calibrated(0.1) + calibrated(0.3)
    assert 0 < low < high


def test_accepts_until_errors_outweigh() -> None:
    wrong = torch.zeros(1000, dtype=torch.bool)
    assert accepted_at(wrong, 0.05) == 1000
    wrong[600::2] = True  # from 600 on every second decision is wrong
    assert 600 < accepted_at(wrong, 0.05) < 680
    assert accepted_at(wrong[:50], 0.05) == 0  # too few to tell


def test_changed_decisions(ring: WorldModel) -> None:
    one, two = torch.tensor([0, 1, 1]), torch.tensor([0, 0, 1])
    assert changed(ring.action_codec, one, two).tolist() == [False, True, False]


def test_calibration_plays_no_more_than_it_needs(ring: WorldModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nextlat_rl.agents.calibration._ENOUGH", 60)
    probe = SpeculativeAgent(ring, 4, FixedLength(4), True, tolerance=0.0)
    seeds: list[int] = []
    calibrate(
        Agent(ring, 4, "trunk", True), probe, [0.9], 40, seed=100, on_episode=lambda result: seeds.append(result.seed)
    )
    first_try = [seed for seed in seeds if seed < 140]
    assert sorted(first_try) == list(range(100, 100 + len(first_try)))
    assert len(first_try) % 4 == 0 and 4 <= len(first_try) < 40
    assert min(seed for seed in seeds if seed >= 140) == 140  # the next try's seeds do not depend on when this stopped


def test_a_try_that_cannot_pass_any_more_ends(ring: WorldModel, monkeypatch: pytest.MonkeyPatch) -> None:
    def tries(errors_at_most: int) -> tuple[float, list[int]]:
        monkeypatch.setattr("nextlat_rl.agents.calibration._ENOUGH", 10 * errors_at_most)
        monkeypatch.setattr("nextlat_rl.agents.calibration.accepted_at", lambda wrong, risk: len(wrong))
        monkeypatch.setattr("nextlat_rl.agents.calibration._SHRINK", 0.0)  # one try, which takes everything
        probe = SpeculativeAgent(ring, 4, FixedLength(4), True, tolerance=0.0)
        seeds: list[int] = []
        (tolerance,) = calibrate(
            Agent(ring, 4, "trunk", True), probe, [0.1], 40, seed=100, on_episode=lambda r: seeds.append(r.seed)
        )
        return tolerance, [seed for seed in seeds if seed >= 140]

    assert upper_end(0) < 10 < upper_end(9)
    soon, late = tries(10), tries(1000)
    assert soon[0] == late[0] == -1  # refused either way
    assert 4 <= len(soon[1]) < len(late[1]) == 40
