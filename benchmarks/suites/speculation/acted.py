"""Speculative acting: deciding ahead against deciding at every step, in the same episodes, in turns."""

from __future__ import annotations

from statistics import median
from typing import Any

import numpy as np
from rich.console import Console

from benchmarks.suites.speculation.recorded import Played, changed
from benchmarks.suites.speculation.risked import RISKS, risk_rows
from benchmarks.suites.speculation.seen_cells import nothing_new
from nextlat_rl import AdaptiveLength, Agent, FixedLength, SpeculativeAgent, WorldModel, make_planner
from nextlat_rl.agents.agent import BatchAgent
from nextlat_rl.agents.episodes import evaluation_seeds, run_episodes
from nextlat_rl.agents.planning.config import planner_config
from nextlat_rl.agents.planning.planner import SearchPlanner
from nextlat_rl.console import bar
from nextlat_rl.drafting.length import DraftLength
from nextlat_rl.jobs.evaluation import ActingConfig, calibrated_tolerances
from nextlat_rl.seeds import EVALUATION_SEED
from nextlat_rl.statistics import bootstrap_interval

_TIMED_RISK = 0.01
_DECIDED_AT_RISK, _PLANNED_AT_RISK = 60_000, 12_000  # decisions, about, for each of several risks
_EPISODES_AT_RISK = 300  # at most
_TURN = 200  # decisions, about
_WARM_UP = 500  # decisions, and the seed of the first episode
_WARM_UP_SEED = 0


def rows(
    world_model: WorldModel, planner: str, deterministic: bool, decisions: int, quick: bool, console: Console
) -> list[dict[str, Any]]:
    """Figures of deciding ahead and of deciding at every step, timed; then of what several risks cost.

    Args:
        world_model: the trained model.
        planner: its name.
        deterministic: most likely actions instead of drawn ones.
        decisions: on how many each agent is timed; whole episodes are played.
        quick: only see that it runs.
        console: shows how far it is.

    """
    longest = AdaptiveLength().longest
    how = ActingConfig(planner=planner_config({"name": planner}), deterministic=deterministic)
    found = calibrated_tolerances(world_model, how, longest, RISKS, console, 4 if quick else 100)
    tolerances = dict(zip(RISKS, found, strict=True))
    agents = _agents(world_model, planner, deterministic, tolerances[_TIMED_RISK], longest)
    played = _timed(world_model.env_id, agents, decisions, quick, planner, console)
    timed = [_figures(planner, name, agent, played[name], played["off"]) for name, agent in agents.items()]
    if world_model.env_id.startswith("MiniGrid-"):
        for values, mine in zip(timed, played.values(), strict=True):
            known = nothing_new(world_model.env_id, mine.seeds, mine.actions)
            values["share_known"] = float(known.mean())
            values["calls_where_known"] = float(np.array(mine.calls)[known].mean())
    wanted = 40 if quick else _PLANNED_AT_RISK if planner != "none" else _DECIDED_AT_RISK
    episodes = min(_EPISODES_AT_RISK, 1 + wanted * timed[0]["episodes"] // timed[0]["decisions"])
    return timed + risk_rows(world_model, planner, deterministic, tolerances, longest, episodes, console)


def _agents(
    world_model: WorldModel, planner: str, deterministic: bool, tolerance: float, longest: int
) -> dict[str, BatchAgent]:
    """By name: the adaptive draft length looks for speed, the fixed ones show how many calls can be saved."""

    def search() -> SearchPlanner | None:
        return make_planner(world_model, planner, deterministic=deterministic)

    def ahead(length: DraftLength, tolerance: float | None = None) -> SpeculativeAgent:
        return SpeculativeAgent(world_model, 1, length, deterministic, 0, search(), tolerance)

    return {
        "off": Agent(world_model, 1, "trunk", deterministic, 0, search()),
        "lossless 4": ahead(FixedLength(4)),
        "lossless adaptive": ahead(AdaptiveLength(longest)),
        "tolerant adaptive": ahead(AdaptiveLength(longest), tolerance),
        f"tolerant {longest}": ahead(FixedLength(longest), tolerance),
    }


def _timed(
    env_id: str, agents: dict[str, BatchAgent], decisions: int, quick: bool, planner: str, console: Console
) -> dict[str, Played]:
    """Whole episodes in turn, as many as it takes for `decisions` of the agent that decides at every step."""
    # First some that do not count: what is used is traced, and the adaptive length tries a few.
    warm_up = 40 if quick else _WARM_UP
    for agent in agents.values():
        decided, seed = 0, _WARM_UP_SEED
        while decided < warm_up:
            (result,), _ = run_episodes(env_id, agent, [seed], 1)
            decided, seed = decided + result.length, seed + 1
    episodes = max(1, _TURN * (seed - _WARM_UP_SEED) // decided)
    played = {name: Played() for name in agents}
    turn = EVALUATION_SEED
    with bar(console, f"Acting (planner {planner})", decisions, "decisions") as shown:
        while (done := len(played["off"].actions)) < decisions:
            shown.update(done)
            for name, agent in agents.items():
                played[name].play(env_id, agent, evaluation_seeds(episodes, turn))
            turn += episodes
    return played


def _figures(planner: str, name: str, agent: BatchAgent, mine: Played, off: Played) -> dict[str, Any]:
    """What an agent did, beside the one that decides at every step, under the names of a row."""
    values: dict[str, Any] = {"agent": f"{planner}, {name}", "measure": "acting", "episodes": len(mine.returns)}
    values |= {"decisions": len(mine.actions), "return_mean": float(np.mean(mine.returns))}
    values["return_ci_low"], values["return_ci_high"] = bootstrap_interval(mine.returns)
    if not name.startswith("tolerant"):  # whose history is another one after the first difference
        values["changed"] = changed(mine.actions, off.actions)
    lost = [a - b for a, b in zip(off.returns, mine.returns, strict=True)]
    low, high = bootstrap_interval(lost)
    values |= {"return_lost": float(np.mean(lost)), "return_lost_low": low, "return_lost_high": high}
    values["ms_per_decision"] = median(mine.milliseconds)
    values["speedup"] = median(a / b for a, b in zip(off.milliseconds, mine.milliseconds, strict=True))
    summary = agent.summary(planner != "none") if isinstance(agent, SpeculativeAgent) else {}
    calls = float(np.mean(mine.calls))
    return values | summary | {"trunk_calls_per_step": calls, "planner_calls_per_step": calls * (planner != "none")}
