"""What a risk buys: tolerant acting at several risks, in many episodes side by side; calls saved and return lost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from rich.console import Console

from benchmarks.suites.speculation.recorded import LaterCalls
from nextlat_rl import Agent, FixedLength, SpeculativeAgent, WorldModel, make_planner
from nextlat_rl.agents.agent import ActsInBatches
from nextlat_rl.agents.episodes import evaluation_seeds, run_episodes
from nextlat_rl.agents.planning.planner import SearchPlanner
from nextlat_rl.console import bar
from nextlat_rl.statistics import bootstrap_interval

RISKS = (0.005, 0.01, 0.03)
_ENVS = 16


def risk_rows(
    world_model: WorldModel,
    planner: str,
    deterministic: bool,
    tolerances: Mapping[float, float],
    longest: int,
    episodes: int,
    console: Console,
) -> list[dict[str, Any]]:
    """Figures of each risk: the same episodes as deciding at every step, drafts of `longest` steps, no clock.

    Args:
        world_model: the trained model.
        planner: its name.
        deterministic: most likely actions instead of drawn ones.
        tolerances: what calibration found for each risk.
        longest: steps drafted.
        episodes: played for each risk, on the evaluation's seeds.
        console: shows how far it is.

    """

    def search() -> SearchPlanner | None:
        return make_planner(world_model, planner, deterministic=deterministic)

    def play(agent: ActsInBatches) -> tuple[np.ndarray, int]:
        results, _ = run_episodes(
            world_model.env_id, agent, evaluation_seeds(episodes), _ENVS, lambda _: shown.update(shown.done + 1)
        )
        return np.array([result.episode_return for result in results]), sum(result.length for result in results)

    with bar(console, f"Risks (planner {planner})", episodes * (1 + len(tolerances)), "episodes") as shown:
        off, _ = play(Agent(world_model, _ENVS, "trunk", deterministic, 0, search()))
        rows = []
        for risk, tolerance in tolerances.items():
            later = LaterCalls()
            agent = SpeculativeAgent(world_model, _ENVS, FixedLength(longest), deterministic, 0, search(), tolerance)
            agent.on_decision = later
            mine, decisions = play(agent)
            values: dict[str, Any] = {
                "agent": f"{planner}, risk {risk:g}",
                "measure": "risk",
                "risk": risk,
                "tolerance": tolerance,
            }
            calls = (episodes + later.count) / decisions
            values |= {"episodes": episodes, "decisions": decisions, "trunk_calls_per_step": calls}
            rows.append(values | _returns(mine, off))
    return rows


def _returns(mine: np.ndarray, off: np.ndarray) -> dict[str, float]:
    """Returns `[episodes]` beside those of deciding at every step."""
    low, high = bootstrap_interval(mine.tolist())
    lost_low, lost_high = bootstrap_interval((off - mine).tolist())
    found = {"return_mean": mine.mean(), "return_ci_low": low, "return_ci_high": high, "return_off": off.mean()}
    lost = {"return_lost": (off - mine).mean(), "return_lost_low": lost_low, "return_lost_high": lost_high}
    return {name: float(value) for name, value in (found | lost).items()}
