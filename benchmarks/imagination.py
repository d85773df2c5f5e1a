"""Speculative imagination measured: every drafter, trained for the same time, raced against drawing alone."""

from __future__ import annotations

import time
from collections import defaultdict
from typing import Any

from rich.console import Console

from benchmarks.entropy_stop import EntropyStop, UntilUnsure
from nextlat_rl.console import bar
from nextlat_rl.data.batches import Batcher
from nextlat_rl.data.minari_io import load_datasets
from nextlat_rl.drafting.drafter import SequentialDrafter
from nextlat_rl.drafting.drafters.registry import UNTRAINED, make_drafter, make_net
from nextlat_rl.drafting.exactness import can_come_true
from nextlat_rl.drafting.fit import train_drafter
from nextlat_rl.drafting.length import AdaptiveLength, DraftLength, FixedLength
from nextlat_rl.drafting.rollout import SpeculativeRollout
from nextlat_rl.jobs.draft_race import ALONE, race
from nextlat_rl.jobs.setup import drafter_batches, open_store
from nextlat_rl.objectives.objective import ObjectiveConfig
from nextlat_rl.settings_check import DRAFTERS
from nextlat_rl.training import checkpoint
from nextlat_rl.world_model import WorldModel

_LENGTHS = (1, 2, 4, 8, 16)
_RIVAL_LENGTHS = (2, 4, 8)
_LEARNING_RATE = 2e-3


def imagination_rows(
    world_model: WorldModel, run: str, horizon: int, seed: int, quick: bool, console: Console
) -> list[dict[str, Any]]:
    """A row for every drafter and draft length, and for drawing alone; trajectories of up to `horizon` steps."""
    minutes, rounds = (0.02, 2) if quick else (1.0, 40)
    model, saved = world_model.model, checkpoint.load_config(run)
    batches = drafter_batches(open_store(load_datasets(saved["dataset_id"]), console), saved, seed)
    objective = ObjectiveConfig(**saved["train_config"]["objective"])
    alone = SpeculativeRollout(world_model, None, FixedLength(0))
    drawn = {ALONE: alone}
    seconds: dict[str, float] = defaultdict(float)
    for name in DRAFTERS:
        if name == "ngram" and not can_come_true(model):
            continue
        net = None
        if name not in UNTRAINED:
            net = make_net(name, model)
            steps = _steps_in(minutes * 60, name, world_model, batches, objective)
            started = time.monotonic()
            with bar(console, f"Training {name}", steps, "steps") as shown:
                train_drafter(
                    net, model, batches, objective, steps, _LEARNING_RATE, seed, lambda done, _: shown.update(done)
                )
            seconds[name] = time.monotonic() - started
        fixed = _LENGTHS if name == "nextlat" else _RIVAL_LENGTHS
        lengths: dict[str, DraftLength] = {f"{name} {length}": FixedLength(length) for length in fixed}
        lengths[f"{name} adaptive"] = AdaptiveLength(max(fixed))
        drafter = make_drafter(name, model, net)
        for contender, length in lengths.items():
            if name == "ngram":  # a pool must not know what other lengths drew from the same start
                drafter = make_drafter(name, model)
            drawn[contender] = alone.drafting(drafter, length)
        drafter = make_drafter(name, model, net)
        # Guesses of continuous observations have densities, for which the bound on acceptance means nothing.
        if isinstance(drafter, SequentialDrafter) and can_come_true(model):
            stop = EntropyStop(max(fixed))
            drawn[f"{name} entropy"] = alone.drafting(UntilUnsure(drafter, stop), stop)
    # The worst case: a drafter of which nothing is ever right must cost next to nothing.
    untrained = make_drafter("eagle", model, make_net("eagle", model).eval())
    drawn["untrained adaptive"] = alone.drafting(untrained, AdaptiveLength())
    with bar(console, "Racing", rounds, "rounds") as shown:
        rows = race(world_model, drawn, horizon, 1, rounds, shown.update)
    for row in rows:
        row |= {"kind": "imagination", "drafter_minutes": seconds[row["contender"].partition(" ")[0]] / 60}
    return rows


def _steps_in(seconds: float, name: str, world_model: WorldModel, batches: Batcher, objective: ObjectiveConfig) -> int:
    """How many steps of a drafter's training fit into a time, judged by a few on a net that is thrown away."""
    trial, net = 3, make_net(name, world_model.model)
    train_drafter(net, world_model.model, batches, objective, 1, _LEARNING_RATE)
    started = time.monotonic()
    train_drafter(net, world_model.model, batches, objective, trial, _LEARNING_RATE)
    return max(1, round(seconds * trial / (time.monotonic() - started)))
