"""Speculative imagination against drawing one step at a time: the same trunk, the same starts, interleaved."""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import torch

from nextlat_rl.drafting.drafter import Drafter
from nextlat_rl.drafting.length import FixedLength
from nextlat_rl.drafting.rollout import DraftStatistics, Rollout, SpeculativeRollout
from nextlat_rl.drafting.token import token_num_uniforms
from nextlat_rl.envs import make_env
from nextlat_rl.memory import Memory
from nextlat_rl.noise import uniform
from nextlat_rl.seeds import EVALUATION_SEED
from nextlat_rl.tracing import Traced
from nextlat_rl.types import Step
from nextlat_rl.world_model import WorldModel

COLUMNS = [
    "drafter",
    "draft",
    "steps/s",
    "speed-up",
    "of all steps",
    "accepted a draft",
    "acceptance by position",
    "draft / trunk cost",
]
_WARM_UP = 2  # rounds, in which functions are traced
_COST_LENGTH = 4
ALONE = "none"


@dataclass
class _Tally:
    """What one contender did in the rounds that count."""

    rates: list[float] = field(default_factory=list)  # steps a second, by round
    steps: int = 0
    seconds: float = 0.0
    statistics: DraftStatistics = field(default_factory=DraftStatistics)

    def add(self, rollout: Rollout, seconds: float) -> None:
        steps = int(rollout.length.sum())
        self.rates.append(steps / seconds)
        self.steps += steps
        self.seconds += seconds
        self.statistics.merge(rollout.statistics)


def race(
    world_model: WorldModel,
    drawn: dict[str, SpeculativeRollout],
    horizon: int,
    batch: int,
    rounds: int,
    on_round: Callable[[int], None] = lambda done: None,
) -> list[dict[str, Any]]:
    """A row for each of `drawn`, its speed beside that of the one without a drafter.

    `speed_up` is the median over rounds; `throughput` compares all steps over all time, in which rounds with refused
    drafts count for as long as they took.

    Args:
        world_model: the trunk.
        drawn: by name; must hold one without a drafter under `ALONE`.
        horizon: steps of a trajectory at most.
        batch: trajectories side by side.
        rounds: that count; in each all are drawn from the same first observations of real episodes.
        on_round: told how many rounds are done.
    """
    env = make_env(world_model.env_id)
    tallies = {name: _Tally() for name in drawn}
    for number in range(rounds + _WARM_UP):
        first = EVALUATION_SEED + number * batch
        step = world_model.first_step([env.reset(seed=first + i)[0] for i in range(batch)])
        # In another order each time: what runs after a large network finds its own weights gone from the caches.
        for name, draw in random.Random(number).sample([*drawn.items()], len(drawn)):
            timed = _timed(world_model, draw, step, horizon, number)
            if number >= _WARM_UP:
                tallies[name].add(*timed)
        on_round(max(0, number + 1 - _WARM_UP))
    env.close()
    memory = world_model.memory(batch, "trunk", _COST_LENGTH + 1)
    world_model.observe(step, memory)
    drawn[ALONE](memory, horizon, seed=number)  # costs are those at a trajectory's end
    return [
        {"contender": name, "batch": batch, "rounds": rounds}
        | _figures(world_model, draw.drafter, tallies[name], tallies[ALONE], memory)
        for name, draw in drawn.items()
    ]


def _timed(
    world_model: WorldModel, draw: SpeculativeRollout, step: Step, horizon: int, seed: int
) -> tuple[Rollout, float]:
    """A roll-out from `step` and its seconds; repeated until everything in it is replayed from traces."""
    traces = -1
    while Traced.slow != traces:
        traces = Traced.slow
        memory = world_model.memory(len(step.is_first), "trunk", draw.length.longest)
        world_model.observe(step, memory)
        started = time.perf_counter()
        rollout = draw(memory, horizon, seed=seed)
        seconds = time.perf_counter() - started
    return rollout, seconds


def _figures(
    world_model: WorldModel, drafter: Drafter | None, mine: _Tally, alone: _Tally, memory: Memory
) -> dict[str, Any]:
    figures: dict[str, Any] = {"steps_per_second": mine.steps / mine.seconds}
    figures["speed_up"] = median(a / b for a, b in zip(mine.rates, alone.rates, strict=True))
    figures["throughput"] = figures["steps_per_second"] * alone.seconds / alone.steps
    if drafter is not None:
        figures["accepted_per_draft"] = mine.statistics.accepted_per_draft
        figures["acceptance_by_position"] = mine.statistics.acceptance
        trunk_step = alone.seconds / alone.steps * len(memory.belief)
        figures["draft_cost"] = draft_seconds(world_model, drafter, memory) / trunk_step
    return figures


@torch.no_grad()
def draft_seconds(world_model: WorldModel, drafter: Drafter, memory: Memory) -> float:
    """Seconds to draft one step in every row of `memory`, median of ten drafts."""
    batch, size = len(memory.belief), token_num_uniforms(world_model.model)
    drawn = SpeculativeRollout(world_model, None, FixedLength(0))
    rows = torch.arange(batch, device=world_model.device)
    noise = uniform(0, rows, rows, (_COST_LENGTH + 1) * size).unflatten(1, (_COST_LENGTH + 1, size))
    token = drawn.draw(memory.belief, noise[:, 0])
    seconds = []
    for _ in range(12):
        drafter.begin(memory)
        started = time.perf_counter()
        draft = drafter.draft(memory.belief, token, noise[:, 1:])
        seconds.append((time.perf_counter() - started) / draft.end.shape[1])
    return median(seconds[2:])


def cells(row: dict[str, Any]) -> list[str]:
    """A row as table cells under `COLUMNS`."""
    name, _, length = row["contender"].partition(" ")
    shown = [name, length, f"{row['steps_per_second']:,.0f}", f"{row['speed_up']:.2f}", f"{row['throughput']:.2f}"]
    if "accepted_per_draft" not in row:
        return [*shown, "", "", ""]
    by_position = positions(row["acceptance_by_position"])
    return [*shown, f"{row['accepted_per_draft']:.2f}", by_position, f"{row['draft_cost']:.2f}"]


def positions(chances: Sequence[float], shown: int = 8) -> str:
    """The chances of the first positions, and how many more there are; all of them would fill a terminal."""
    more = len(chances) - shown
    return " ".join(f"{chance:.2f}" for chance in chances[:shown]) + (f" +{more}" if more > 0 else "")
