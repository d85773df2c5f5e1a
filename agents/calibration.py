"""How far reality may stray from a draft: calibrated on the agent's own episodes, on seeds kept for that."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor

from nextlat_rl.agents.acceptance import WithinTolerance
from nextlat_rl.agents.agent import Agent, BatchAgent
from nextlat_rl.agents.episodes import EpisodeResult, run_episodes
from nextlat_rl.agents.speculative import SpeculativeAgent
from nextlat_rl.envs import saved_env_id
from nextlat_rl.spaces import Codec
from nextlat_rl.types import Step

CALIBRATION_SEED = 15_000_000
_MOST_TRIES = 8
_SHRINK = 0.8  # of the decisions accepted, from one try to the next
_ENOUGH = 4000  # decisions made ahead: at a risk of 1% some 40 errors tell it from 2%
_NEAR = 0.05  # of a continuous action's range: closer ones count as the same decision


def calibrate(
    exact: Agent,
    tolerant: SpeculativeAgent,
    risks: Sequence[float],
    episodes: int = 100,
    seed: int = CALIBRATION_SEED,
    on_episode: Callable[[EpisodeResult], None] = lambda result: None,
) -> list[float]:
    """The largest tolerances found at which few enough decisions made ahead differ from those of deciding at each step.

    First the exact agent plays while every draft is followed to its end or to the first decision that differs: this
    gives the distance of beliefs at which decisions differ, and a first tolerance. Then the tolerant agent plays with
    it, and the exact one decides in the same history. The tolerance passes if, of the decisions made ahead, the upper
    end of an (about 95%) interval for the share that differs is at most `risk`; otherwise a smaller one is tried on
    fresh episodes, because one wrong decision leads to the next. Data of other behaviours does not visit the states
    where the agent's decisions are close, so the agent's own episodes are needed.

    Args:
        exact: decides at every step.
        tolerant: the same planner and noise, and as many rows; its tolerance is set on the way.
        risks: each in (0, 1), the smallest first.
        episodes: of each try, or fewer where they are long: as many as it takes for some thousand decisions made ahead.
        seed: of the first episode; these seeds are used for nothing else.
        on_episode: called with each finished episode.

    Returns:
        A tolerance for each risk, never falling with it; -1, at which nothing is accepted, if none passes.

    Raises:
        ValueError: the risks are not in order, or the agent has no tolerance.
    """
    if list(risks) != sorted(risks):
        raise ValueError(f"risks must come in order, got {risks}")
    acceptance = _within(tolerant)
    acceptance.tolerance = float("inf")
    first = ShadowAgent(exact, tolerant, tolerant_plays=False)
    _play(first, episodes, seed, on_episode)
    scores, order = torch.cat(first.scores).sort()
    wrong = torch.cat(first.wrong)[order]

    def passes(tolerance: float, risk: float, first_seed: int) -> bool:
        acceptance.tolerance = tolerance
        trial = ShadowAgent(exact, tolerant, tolerant_plays=True)
        _play(trial, episodes, first_seed, on_episode, risk)
        mistakes = torch.cat(trial.wrong)
        return bool(upper_end(float(mistakes.sum())) <= risk * len(mistakes))

    found = (_largest(scores, accepted_at(wrong, risk), risk, passes, seed + episodes, episodes) for risk in risks)
    return [*accumulate(found, max)]


def _largest(
    scores: Tensor, count: int, risk: float, passes: Callable[[float, float, int], bool], seed: int, episodes: int
) -> float:
    """The first of fewer and fewer accepted `scores: [N]`, sorted, whose largest one passes; -1 if none does."""
    for attempt in range(1, _MOST_TRIES):
        if count == 0:
            break
        tolerance = float(scores[count - 1])
        if passes(tolerance, risk, seed + (attempt - 1) * episodes):
            return tolerance
        count = int(_SHRINK * count)
    return -1.0


def accepted_at(wrong: Tensor, risk: float) -> int:
    """How many of the decisions `wrong: [N]` bool, nearest draft first, can be taken before the risk is too high."""
    errors = wrong.double().cumsum(0)
    passes = (upper_end(errors) <= risk * torch.arange(1, len(wrong) + 1, device=wrong.device)).nonzero()
    return int(passes[-1]) + 1 if len(passes) else 0


def upper_end(errors: Any) -> Any:
    """About the 97.5% upper limit of a Poisson mean after so many counts."""
    return errors + 1.96 * (errors + 1) ** 0.5 + 1.92


def _play(
    agent: ShadowAgent,
    episodes: int,
    seed: int,
    on_episode: Callable[[EpisodeResult], None],
    risk: float = float("inf"),
) -> None:
    """Up to `episodes` episodes, until enough decisions were made ahead or too many of them differ to pass."""
    env_id, rows = saved_env_id(agent.exact.world_model.env_id), len(agent.exact.last_action)
    for first in range(0, episodes, rows):
        seeds = range(seed + first, seed + min(first + rows, episodes))
        run_episodes(env_id, agent, seeds, rows, on_episode)
        differ = sum(int(wrong.sum()) for wrong in agent.wrong)
        if sum(map(len, agent.wrong)) >= _ENOUGH or upper_end(differ) > risk * _ENOUGH:
            break


def changed(codec: Codec, a: Tensor, b: Tensor) -> Tensor:
    """Whether two stored actions `[B, *action]` are different decisions, `[B]` bool."""
    if not a.is_floating_point():
        return (a != b).reshape(len(a), -1).any(1)
    wide = (codec.high - codec.low).reshape(-1)  # type: ignore[operator]
    return ((a - b).abs().reshape(len(a), -1) > _NEAR * wide).any(1)


class ShadowAgent(BatchAgent):
    """The exact and the tolerant agent in the same history, one of them playing; keeps where they differ.

    `scores` holds how far reality had strayed from the draft at each decision made ahead, `wrong` whether the exact
    agent would have decided otherwise; lists of `[N]`, an entry for each call.
    """

    def __init__(self, exact: Agent, tolerant: SpeculativeAgent, tolerant_plays: bool) -> None:
        super().__init__(exact.world_model, len(exact.last_action))
        self.exact, self.tolerant, self.tolerant_plays = exact, tolerant, tolerant_plays
        self.scores: list[Tensor] = []
        self.wrong: list[Tensor] = []

    @property
    def belief(self) -> Tensor:
        """The exact agent's beliefs `[B, D]`."""
        return self.exact.belief

    def _choose(self, step: Step, episode: Tensor) -> Tensor:
        exact, early = self.exact.decide_step(step, episode), self.tolerant.decide_step(step, episode)
        ahead = self.tolerant.ahead
        wrong = changed(self.world_model.action_codec, exact, early) & ahead
        self.scores.append(_within(self.tolerant).furthest[ahead])
        self.wrong.append(wrong[ahead])
        if self.tolerant_plays:
            return early
        self.tolerant.drop(wrong)
        return exact


def _within(agent: SpeculativeAgent) -> WithinTolerance:
    if not isinstance(agent.acceptance, WithinTolerance):
        raise ValueError("calibration needs an agent with a tolerance: SpeculativeAgent(..., tolerance=0.0)")
    return agent.acceptance
