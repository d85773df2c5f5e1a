"""Speculative acting measured: deciding ahead against deciding at every step, in the same episodes, in turns."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any

import numpy as np
from rich.console import Console

from benchmarks.risk import RISKS, risk_rows
from benchmarks.seen_cells import nothing_new
from nextlat_rl.agents.agent import ActsInBatches, Agent
from nextlat_rl.agents.episodes import evaluation_seeds, run_episodes
from nextlat_rl.agents.planning.planner import AnyPlanner, build_planner
from nextlat_rl.agents.speculative import SpeculativeAgent
from nextlat_rl.agents.tolerant import TolerantAgent
from nextlat_rl.config import PlannerSettings
from nextlat_rl.console import bar
from nextlat_rl.drafting.length import AdaptiveLength, DraftLength, FixedLength
from nextlat_rl.jobs.evaluation import calibrated_tolerances
from nextlat_rl.seeds import EVALUATION_SEED
from nextlat_rl.statistics import bootstrap_interval
from nextlat_rl.world_model import WorldModel

_TIMED_RISK = 0.01
_DECIDED_AT_RISK, _PLANNED_AT_RISK = 60_000, 12_000  # decisions, about, for each of several risks
_EPISODES_AT_RISK = 300  # at most
_TURN = 200  # decisions, about
_WARM_UP = 500  # decisions, and the seed of the first episode
_WARM_UP_SEED = 0


def acting_rows(
    world_model: WorldModel, planner: str, deterministic: bool, decisions: int, quick: bool, console: Console
) -> list[dict[str, Any]]:
    """Deciding ahead against deciding at every step, first by the clock, then by what several risks cost."""
    settings = PlannerSettings(name=planner)
    longest = AdaptiveLength().longest
    found = calibrated_tolerances(world_model, settings, deterministic, 0, longest, RISKS, console, 4 if quick else 100)
    tolerances = dict(zip(RISKS, found, strict=True))
    rows = _timed(world_model, settings, deterministic, tolerances[_TIMED_RISK], decisions, quick, console)
    wanted = 40 if quick else _PLANNED_AT_RISK if planner != "none" else _DECIDED_AT_RISK
    episodes = min(_EPISODES_AT_RISK, 1 + wanted * rows[0]["episodes"] // rows[0]["decisions"])
    return rows + risk_rows(world_model, settings, deterministic, tolerances, longest, episodes, console)


def _timed(
    world_model: WorldModel,
    settings: PlannerSettings,
    deterministic: bool,
    tolerance: float,
    decisions: int,
    quick: bool,
    console: Console,
) -> list[dict[str, Any]]:
    """Whole episodes in turn, actions and returns compared.

    As many episodes as it takes for `decisions` of the agent that decides at every step.
    """
    planner, longest = settings.name, AdaptiveLength().longest

    def search() -> AnyPlanner | None:
        return build_planner(world_model, settings, deterministic, 0)

    def lossless(length: DraftLength) -> SpeculativeAgent:
        return SpeculativeAgent(world_model, 1, length, deterministic, 0, search())

    def tolerant(length: DraftLength) -> TolerantAgent:
        return TolerantAgent(world_model, 1, length, tolerance, deterministic, 0, search())

    # The adaptive length looks for speed; the fixed ones show how many calls could be saved.
    agents: dict[str, Agent | SpeculativeAgent | TolerantAgent] = {
        "off": Agent(world_model, 1, "trunk", deterministic, 0, search()),
        "lossless 4": lossless(FixedLength(4)),
        "lossless adaptive": lossless(AdaptiveLength(longest)),
        "tolerant adaptive": tolerant(AdaptiveLength(longest)),
        f"tolerant {longest}": tolerant(FixedLength(longest)),
    }
    # First some that do not count: what is used is traced, and the adaptive length tries a few.
    warm_up = 40 if quick else _WARM_UP
    for agent in agents.values():
        decided, seed = 0, _WARM_UP_SEED
        while decided < warm_up:
            (result,), _ = run_episodes(world_model.env_id, agent, [seed], 1)
            decided, seed = decided + result.length, seed + 1
    episodes = max(1, _TURN * (seed - _WARM_UP_SEED) // decided)
    played = {name: Played() for name in agents}
    turn = EVALUATION_SEED
    with bar(console, f"Acting (planner {planner})", decisions, "decisions") as shown:
        while (done := len(played["off"].actions)) < decisions:
            shown.update(done)
            for name, agent in agents.items():
                played[name].play(world_model.env_id, agent, evaluation_seeds(episodes, turn))
            turn += episodes
    rows = [_acting_row(planner, name, agent, played[name], played["off"]) for name, agent in agents.items()]
    if world_model.env_id.startswith("MiniGrid-"):
        for row, mine in zip(rows, played.values(), strict=True):
            known = nothing_new(world_model.env_id, mine.seeds, mine.actions)
            row["share_known"] = float(known.mean())
            row["calls_where_known"] = float(np.array(mine.calls)[known].mean())
    return rows


def _acting_row(
    planner: str, name: str, agent: Agent | SpeculativeAgent | TolerantAgent, mine: Played, off: Played
) -> dict[str, Any]:
    """What an agent did, beside the one that decides at every step."""
    row: dict[str, Any] = {"kind": "acting", "contender": f"{planner}, {name}", "episodes": len(mine.returns)}
    row |= {"decisions": len(mine.actions), "episode_return": float(np.mean(mine.returns))}
    if not isinstance(agent, TolerantAgent):  # its history is another one after the first difference
        row["changed"] = changed(mine.actions, off.actions)
    lost = [a - b for a, b in zip(off.returns, mine.returns, strict=True)]
    low, high = bootstrap_interval(lost)
    row |= {"return_lost": float(np.mean(lost)), "return_lost_low": low, "return_lost_high": high}
    row["ms_per_decision"] = median(mine.milliseconds)
    row["speed_up"] = median(a / b for a, b in zip(off.milliseconds, mine.milliseconds, strict=True))
    summary = {} if isinstance(agent, Agent) else agent.summary(planner != "none")
    calls = float(np.mean(mine.calls))
    return row | summary | {"trunk_calls_per_step": calls, "planner_calls_per_step": calls * (planner != "none")}


class Played:
    """What an agent did in its turns so far."""

    def __init__(self) -> None:
        self.seeds: list[int] = []
        self.actions: list[Any] = []
        self.calls: list[int] = []  # of the planner or the trunk, at each action
        self.returns: list[float] = []
        self.milliseconds: list[float] = []  # a decision, by turn

    def play(self, env_id: str, agent: ActsInBatches, seeds: Sequence[int]) -> None:
        """One turn."""
        recorded = _Recorded(agent)
        results, timing = run_episodes(env_id, recorded, seeds, 1)
        self.seeds += seeds
        self.actions += recorded.actions
        self.calls += recorded.calls
        self.returns += [result.episode_return for result in results]
        self.milliseconds.append(timing.ms_per_decision)


class _Recorded:
    """An agent in one environment whose actions are kept, and at which of them it called trunk and planner."""

    def __init__(self, agent: ActsInBatches) -> None:
        self.agent = agent
        self.actions: list[Any] = []
        self.calls: list[int] = []

    def act(
        self,
        observations: Sequence[Any],
        rewards: Sequence[float],
        is_first: Sequence[bool],
        episodes: Sequence[int],
    ) -> list[Any]:
        """See `Agent.act`."""
        before = getattr(self.agent, "calls", None)
        actions = self.agent.act(observations, rewards, is_first, episodes)
        self.actions += actions
        self.calls.append(1 if before is None else self.agent.calls - before)  # type: ignore[attr-defined]
        return actions


def changed(mine: list[Any], others: list[Any]) -> int:
    """In how many places two sequences differ; one that is shorter differs in all that it lacks."""
    missing = abs(len(mine) - len(others))
    pairs = zip(mine, others, strict=False)
    return missing + sum(not np.array_equal(a, b) for a, b in pairs)
