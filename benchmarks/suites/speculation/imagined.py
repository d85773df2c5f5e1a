"""Speculative imagination: every drafter, trained for the same time, raced against drawing one step at a time."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from benchmarks.suites.speculation.entropy_stop import EntropyStop, UntilUnsure
from nextlat_rl import AdaptiveLength, FixedLength, SpeculativeRollout, WorldModel
from nextlat_rl.console import bar
from nextlat_rl.data.batches import Batcher
from nextlat_rl.data.minari_io import load_datasets
from nextlat_rl.drafting.config import DRAFTERS
from nextlat_rl.drafting.drafter import Drafter, SequentialDrafter
from nextlat_rl.drafting.fit import train_drafter
from nextlat_rl.drafting.length import DraftLength
from nextlat_rl.drafting.make import make_drafter, make_net, needs_training
from nextlat_rl.drafting.net import DrafterNet
from nextlat_rl.jobs.data import open_store
from nextlat_rl.jobs.draft_race import ALONE, race
from nextlat_rl.objectives.config import ObjectiveConfig
from nextlat_rl.training import checkpoint
from nextlat_rl.training.build import drafter_batches

_LENGTHS = (1, 2, 4, 8, 16)  # of drafts by the latent dynamics
_RIVAL_LENGTHS = (2, 4, 8)
_LEARNING_RATE = 2e-3


def rows(
    world_model: WorldModel, run: str, horizon: int, seed: int, quick: bool, console: Console
) -> list[dict[str, Any]]:
    """Figures of every drafter and draft length, and of drawing one step at a time; nothing else may run meanwhile.

    Args:
        world_model: the trunk.
        run: its run folder.
        horizon: steps of an imagined trajectory at most.
        seed: of the drafters' training.
        quick: only see that it runs.
        console: shows how far it is.

    """
    minutes, rounds = (0.02, 2) if quick else (1.0, 40)
    training = _training(world_model, run, minutes, seed, console)
    alone = SpeculativeRollout(world_model, None, FixedLength(0))
    drawn, seconds = {ALONE: alone}, defaultdict[str, float](float)
    for name in DRAFTERS.names():
        net, seconds[name] = training.trained(name)
        for length_name, drafter, length in _drafts(name, world_model, net):
            drawn[f"{name} {length_name}"] = alone.drafting(drafter, length)
    # The worst case: a drafter of which nothing is ever right must cost next to nothing.
    untrained = make_drafter(world_model, "eagle", make_net(world_model, "eagle").eval())
    drawn["untrained adaptive"] = alone.drafting(untrained, AdaptiveLength())
    with bar(console, "Racing", rounds, "rounds") as shown:
        found = race(world_model, drawn, horizon, 1, rounds, shown.update)
    return [_figures(values, seconds) for values in found]


def _figures(values: dict[str, Any], seconds: dict[str, float]) -> dict[str, Any]:
    """What the race found, under the names of a row."""
    agent, speedup = values.pop("contender"), values.pop("speed_up")
    minutes = seconds[agent.partition(" ")[0]] / 60
    return values | {"agent": agent, "measure": "imagination", "speedup": speedup, "drafter_minutes": minutes}


def _drafts(name: str, world_model: WorldModel, net: DrafterNet | None) -> Iterator[tuple[str, Drafter, DraftLength]]:
    """A drafter with every draft length: its name, the drafter and the length."""
    fixed = _LENGTHS if name == "nextlat" else _RIVAL_LENGTHS
    lengths: dict[str, DraftLength] = {str(length): FixedLength(length) for length in fixed}
    lengths["adaptive"] = AdaptiveLength(max(fixed))
    drafter = make_drafter(world_model, name, net)
    for length_name, length in lengths.items():
        # A pool must not know what other lengths drew from the same start.
        yield length_name, make_drafter(world_model, name) if name == "ngram" else drafter, length
    if isinstance(drafter, SequentialDrafter):
        stop = EntropyStop(max(fixed))
        yield "entropy", UntilUnsure(drafter, stop), stop


@dataclass(frozen=True)
class _Training:
    """What drafters are trained with, and for how long."""

    world_model: WorldModel
    batches: Batcher
    objective: ObjectiveConfig
    seconds: float
    seed: int
    console: Console

    def trained(self, name: str) -> tuple[DrafterNet | None, float]:
        """Trained weights, None for a drafter without, and the seconds that it took."""
        if not needs_training(name):
            return None, 0.0
        net, steps = make_net(self.world_model, name), self._steps(name)
        started = time.monotonic()
        with bar(self.console, f"Training {name}", steps, "steps") as shown:
            train_drafter(
                net,
                self.world_model,
                self.batches,
                self.objective,
                steps,
                _LEARNING_RATE,
                self.seed,
                lambda done, _: shown.update(done),
            )
        return net, time.monotonic() - started

    def _steps(self, name: str) -> int:
        """How many steps fit into the time, judged by a few on weights that are thrown away."""
        trial, net = 3, make_net(self.world_model, name)
        train_drafter(net, self.world_model, self.batches, self.objective, 1, _LEARNING_RATE)
        started = time.monotonic()
        train_drafter(net, self.world_model, self.batches, self.objective, trial, _LEARNING_RATE)
        return max(1, round(self.seconds * trial / (time.monotonic() - started)))


def _training(world_model: WorldModel, run: str, minutes: float, seed: int, console: Console) -> _Training:
    """On the data of the trunk's run."""
    saved = checkpoint.load_config(run)
    store = open_store(load_datasets(saved["dataset_id"]), console)
    batches = drafter_batches(store, saved["train_config"]["trainer"], saved["model"]["context"], seed)
    objective = checkpoint.trained_objective(saved)
    return _Training(world_model, batches, objective, minutes * 60, seed, console)
