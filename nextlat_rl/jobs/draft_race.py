"""Speculative imagination against drawing one step at a time: the same trunk, the same starts, interleaved."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

import torch

from nextlat_rl.drafting.drafter import Drafter
from nextlat_rl.drafting.length import FixedLength
from nextlat_rl.drafting.rollout import DraftStatistics, SpeculativeRollout
from nextlat_rl.drafting.token import token_num_uniforms
from nextlat_rl.envs import make_env
from nextlat_rl.memory import Memory
from nextlat_rl.noise import uniform
from nextlat_rl.seeds import EVALUATION_SEED
from nextlat_rl.tracing import Traced
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


def race(
    world_model: WorldModel,
    drawn: dict[str, SpeculativeRollout],
    horizon: int,
    batch: int,
    rounds: int,
    on_round: Callable[[int], None] = lambda done: None,
) -> list[dict[str, Any]]:
    """A row for each of `drawn`, its speed beside that of the one without a drafter.

    `speed_up` is the median over rounds, what a typical trajectory gains; `throughput` compares all steps over all
    time, in which the rounds with refused drafts count for as long as they took.

    Args:
        world_model: the trunk.
        drawn: by name; must hold one without a drafter under `ALONE`.
        horizon: steps of a trajectory at most.
        batch: trajectories side by side.
        rounds: that count; in each all are drawn from the same first observations of real episodes.
        on_round: told how many rounds are done.

    """
    env = make_env(world_model.env_id)
    rates: dict[str, list[float]] = {name: [] for name in drawn}
    totals: dict[str, list[float]] = {name: [0.0, 0.0] for name in drawn}
    statistics = {name: DraftStatistics() for name in drawn}
    for number in range(rounds + _WARM_UP):
        first = EVALUATION_SEED + number * batch
        step = world_model.first_step([env.reset(seed=first + i)[0] for i in range(batch)])
        # In another order each time: what runs after a large network finds its own weights gone from the caches.
        for name, draw in random.Random(number).sample([*drawn.items()], len(drawn)):
            traces = -1
            while Traced.slow != traces:  # what is not all replayed yet is drawn again
                traces = Traced.slow
                memory = world_model.memory(batch, "trunk", draw.length.longest)
                world_model.observe(step, memory)
                started = time.perf_counter()
                rollout = draw(memory, horizon, seed=number)
                seconds = time.perf_counter() - started
            if number >= _WARM_UP:
                steps = int(rollout.length.sum())
                rates[name].append(steps / seconds)
                totals[name][0] += steps
                totals[name][1] += seconds
                statistics[name].merge(rollout.statistics)
        on_round(max(0, number + 1 - _WARM_UP))
    env.close()
    memory = world_model.memory(batch, "trunk", _COST_LENGTH + 1)
    world_model.observe(step, memory)
    drawn[ALONE](memory, horizon, seed=number)  # costs are those at a trajectory's end
    alone = rates[ALONE]
    rows = []
    for name, draw in drawn.items():
        row: dict[str, Any] = {"contender": name, "batch": batch, "rounds": rounds}
        row["steps_per_second"] = totals[name][0] / totals[name][1]
        row["speed_up"] = median(a / b for a, b in zip(rates[name], alone, strict=True))
        row["throughput"] = row["steps_per_second"] * totals[ALONE][1] / totals[ALONE][0]
        if draw.drafter is not None:
            row["accepted_per_draft"] = statistics[name].accepted_per_draft
            row["acceptance_by_position"] = statistics[name].acceptance
            trunk_step = totals[ALONE][1] / totals[ALONE][0] * batch
            row["draft_cost"] = draft_seconds(world_model, draw.drafter, memory) / trunk_step
        rows.append(row)
    return rows


@torch.no_grad()
def draft_seconds(world_model: WorldModel, drafter: Drafter, memory: Memory) -> float:
    """Seconds to draft one step in every row of `memory`, median of ten drafts."""
    model, batch = world_model.model, len(memory.belief)
    drawn = SpeculativeRollout(world_model, None, FixedLength(0))
    rows = torch.arange(batch, device=world_model.device)
    size = token_num_uniforms(model)
    noise = uniform(0, rows, rows, (_COST_LENGTH + 1) * size).unflatten(1, (_COST_LENGTH + 1, size))
    token = drawn.draw(memory.belief, noise[:, 0])
    seconds = []
    for _ in range(12):
        drafter.begin(memory)
        started = time.perf_counter()
        draft = drafter.draft(memory.belief, token, noise[:, 1:])
        seconds.append((time.perf_counter() - started) / draft.token.end.shape[1])
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
