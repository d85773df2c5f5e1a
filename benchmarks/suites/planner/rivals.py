"""The rivals of the main job on FourRooms, scored on the same evaluation episodes by the same loop."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from rich.console import Console

from benchmarks.jobs import tell
from benchmarks.options import Options
from benchmarks.rivals import Trained, offline, online
from benchmarks.rivals.features import FeatureAgent, random_policy
from benchmarks.rows import Row, make_row
from nextlat_rl.agents.episodes import evaluation_seeds, run_episodes
from nextlat_rl.console import bar
from nextlat_rl.jobs.evaluation import summary
from nextlat_rl.results import provenance
from nextlat_rl.runtime import set_threads

_ENV, _BEHAVIOUR, _DATA_STEPS = "MiniGrid-FourRooms-v0", "explorer", 200_000
_EPISODES = 500

_TRAINERS: dict[str, Callable[[int, Options, Console], Iterator[Trained]]] = {
    "rival-random": lambda seed, options, console: iter([Trained("random", random_policy(_ENV, seed), 0.0, 0)]),
    "rival-PPO": lambda seed, options, console: online.train("PPO", _ENV, seed, options, console),
    "rival-DQN": lambda seed, options, console: online.train("DQN", _ENV, seed, options, console),
    "rival-d3rlpy": lambda seed, options, console: offline.train(_ENV, _BEHAVIOUR, _DATA_STEPS, seed, options, console),
}


def rows(part: str, seed: int, options: Options, console: Console) -> Iterator[Row]:
    """The rows of one rival and seed."""
    set_threads(1)  # the networks are small: more threads only wait for each other
    for rival in _TRAINERS[part](seed, options, console):
        row = _scored(part, seed, options.quick, rival, console)
        tell(row, console)
        yield row


def _scored(part: str, seed: int, quick: bool, rival: Trained, console: Console) -> Row:
    """The row of a rival after its evaluation."""
    seeds = evaluation_seeds(8 if quick else _EPISODES)
    with bar(console, f"Evaluating ({rival.agent})", len(seeds), "episodes") as shown:
        done = iter(range(1, len(seeds) + 1))
        agent = FeatureAgent(_ENV, rival.choose)
        results, timing = run_episodes(_ENV, agent, seeds, 8, lambda _: shown.update(next(done)))
    values = summary(results, timing) | {"env": _ENV, "env_steps": rival.env_steps, "command_seconds": rival.seconds}
    source = provenance(seed=seed, device="cpu", cores=torch.get_num_threads())
    return make_row("planner", part, rival.agent, source, values)
