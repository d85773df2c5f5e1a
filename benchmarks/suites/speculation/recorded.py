"""What an agent did: its actions, which of them took a call of trunk and planner, returns and times."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nextlat_rl.agents.agent import BatchAgent, Decision
from nextlat_rl.agents.episodes import run_episodes


class Played:
    """What an agent did in its turns so far."""

    def __init__(self) -> None:
        self.seeds: list[int] = []
        self.actions: list[Any] = []
        self.calls: list[int] = []  # of the planner or the trunk, at each action
        self.returns: list[float] = []
        self.milliseconds: list[float] = []  # a decision, by turn

    def play(self, env_id: str, agent: BatchAgent, seeds: Sequence[int]) -> None:
        """One turn."""
        agent.on_decision = self._keep
        results, timing = run_episodes(env_id, agent, seeds, 1)
        agent.on_decision = None
        self.seeds += seeds
        self.returns += [result.episode_return for result in results]
        self.milliseconds.append(timing.ms_per_decision)

    def _keep(self, decision: Decision) -> None:
        self.actions += decision.actions
        self.calls.append(int(~decision.ahead[0]))


class LaterCalls:
    """Counts the calls after the first steps of episodes, each of which is a call; for `BatchAgent.on_decision`.

    A row that has no episode left waits at a first step, so that it does not count.
    """

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, decision: Decision) -> None:
        """Count one decision."""
        self.count += int((~np.array(decision.is_first) & ~decision.ahead.cpu().numpy()).sum())


def changed(mine: list[Any], others: list[Any]) -> int:
    """In how many places two sequences differ; one that is shorter differs in all that it lacks."""
    missing = abs(len(mine) - len(others))
    pairs = zip(mine, others, strict=False)
    return missing + sum(not np.array_equal(a, b) for a, b in pairs)
