"""What a risk buys: tolerant acting at several risks, in many episodes side by side; calls saved and return lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from nextlat_rl.agents.agent import ActsInBatches, Agent
from nextlat_rl.agents.episodes import evaluation_seeds, run_episodes
from nextlat_rl.agents.planning.planner import AnyPlanner, build_planner
from nextlat_rl.agents.tolerant import TolerantAgent
from nextlat_rl.config import PlannerSettings
from nextlat_rl.console import bar, table
from nextlat_rl.drafting.length import FixedLength
from nextlat_rl.statistics import bootstrap_interval
from nextlat_rl.world_model import WorldModel

RISKS = (0.005, 0.01, 0.03)
_ENVS = 16


def risk_rows(
    world_model: WorldModel,
    settings: PlannerSettings,
    deterministic: bool,
    tolerances: Mapping[float, float],
    longest: int,
    episodes: int,
    console: Console,
) -> list[dict[str, Any]]:
    """A row for each risk: the same episodes as deciding at every step, drafts of `longest` steps, no clock.

    Args:
        world_model: the trained model.
        settings: of the planner.
        deterministic: most likely actions instead of drawn ones.
        tolerances: what calibration found for each risk.
        longest: steps drafted.
        episodes: played for each risk, on the evaluation's seeds.
        console: shows how far it is.

    """

    def search() -> AnyPlanner | None:
        return build_planner(world_model, settings, deterministic, 0)

    def play(agent: ActsInBatches) -> tuple[np.ndarray, int]:
        results, _ = run_episodes(
            world_model.env_id, agent, evaluation_seeds(episodes), _ENVS, lambda _: shown.update(shown.done + 1)
        )
        return np.array([result.episode_return for result in results]), sum(result.length for result in results)

    with bar(console, f"Risks (planner {settings.name})", episodes * (1 + len(tolerances)), "episodes") as shown:
        off, _ = play(Agent(world_model, _ENVS, "trunk", deterministic, 0, search()))
        rows = []
        for risk, tolerance in tolerances.items():
            agent = _Counted(
                TolerantAgent(world_model, _ENVS, FixedLength(longest), tolerance, deterministic, 0, search())
            )
            mine, decisions = play(agent)
            low, high = bootstrap_interval(off - mine)
            row = {"kind": "risk", "contender": f"{settings.name}, risk {risk:g}", "risk": risk, "tolerance": tolerance}
            row |= {"episodes": episodes, "episode_return": float(mine.mean()), "return_off": float(off.mean())}
            row |= {"return_lost": float((off - mine).mean()), "return_lost_low": low, "return_lost_high": high}
            rows.append(row | {"decisions": decisions, "calls_per_step": (episodes + agent.later_calls) / decisions})
    return rows


class _Counted:
    """Counts a tolerant agent's calls after the first steps of episodes, each of which is a call.

    A row that has no episode left waits at a first step, so that it does not count.
    """

    def __init__(self, agent: TolerantAgent) -> None:
        self.agent = agent
        self.later_calls = 0

    def act(
        self,
        observations: Sequence[Any],
        rewards: Sequence[float],
        is_first: Sequence[bool],
        episodes: Sequence[int],
    ) -> list[Any]:
        """See `Agent.act`."""
        actions = self.agent.act(observations, rewards, is_first, episodes)
        self.later_calls += int((~np.array(is_first) & ~self.agent.ahead.cpu().numpy()).sum())
        return actions


def risk_table(groups: Sequence[Sequence[dict[str, Any]]]) -> Table:
    """A line for each task, planner and risk; `groups` hold a row for each training seed."""
    columns = ["task", "planner, risk", "seeds", "episodes", "calls a step", "return at every step", "lost (at most)"]
    lines = []
    for group in groups:
        calls = " / ".join(f"{row['calls_per_step']:.2f}" for row in group)
        lost = " / ".join(f"{in_per_cent(row)[0]:.1f}% ({in_per_cent(row)[1]:.1f}%)" for row in group)
        off = " / ".join(f"{row['return_off']:.3g}" for row in group)
        line = [group[0]["part"], group[0]["contender"], f"{len(group)}", f"{group[0]['episodes']}", calls, off, lost]
        lines.append(line)
    return table("Tolerant acting by risk, drafts of a fixed length", columns, lines)


def in_per_cent(row: dict[str, Any]) -> tuple[float, float]:
    """What is lost, and the upper end of its interval, in per cent of the return of deciding at every step."""
    scale = 100 / max(abs(row["return_off"]), 1e-9)
    return scale * row["return_lost"], scale * row["return_lost_high"]
