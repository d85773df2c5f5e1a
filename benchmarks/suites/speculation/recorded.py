"""What an agent did: its actions, which of them took a call of trunk and planner, returns and times."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nextlat_rl.agents.agent import ActsInBatches
from nextlat_rl.agents.episodes import run_episodes
from nextlat_rl.agents.tolerant import TolerantAgent


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


class LaterCalls:
    """A tolerant agent whose calls after the first steps of episodes are counted; each first step is a call.

    A row that has no episode left waits at a first step, so that it does not count.
    """

    def __init__(self, agent: TolerantAgent) -> None:
        self.agent = agent
        self.count = 0

    def act(
        self,
        observations: Sequence[Any],
        rewards: Sequence[float],
        is_first: Sequence[bool],
        episodes: Sequence[int],
    ) -> list[Any]:
        """See `Agent.act`."""
        actions = self.agent.act(observations, rewards, is_first, episodes)
        self.count += int((~np.array(is_first) & ~self.agent.ahead.cpu().numpy()).sum())
        return actions


def changed(mine: list[Any], others: list[Any]) -> int:
    """In how many places two sequences differ; one that is shorter differs in all that it lacks."""
    missing = abs(len(mine) - len(others))
    pairs = zip(mine, others, strict=False)
    return missing + sum(not np.array_equal(a, b) for a, b in pairs)
