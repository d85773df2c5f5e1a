"""Diagnostics of the paper's tasks at the end of a run: maps, equations, longer words, linear probes."""

from collections.abc import Sequence

import numpy as np
from rich.console import Console

from nextlat_rl.console import bar
from nextlat_rl.data.batches import held_out_batch
from nextlat_rl.data.store import store_of_episodes
from nextlat_rl.envs import make_env
from nextlat_rl.envs.episode import roll_out
from nextlat_rl.envs.paper import CountdownEnv, StreetMapEnv, TokenTask, WordProblemEnv
from nextlat_rl.envs.paper.equations import equation_validity
from nextlat_rl.envs.paper.map_test import MapTest
from nextlat_rl.envs.paper.solver import TaskSolver
from nextlat_rl.memory import Acting
from nextlat_rl.metrics.lengths import accuracy_by_length
from nextlat_rl.metrics.probes import probe_curve
from nextlat_rl.models.nextlat import NextLat
from nextlat_rl.plotting.lines import lines_figure
from nextlat_rl.seeds import EVALUATION_SEED
from nextlat_rl.training.tracking import Tracker
from nextlat_rl.types import Batch
from nextlat_rl.world_model import WorldModel

_PROBLEMS = 256
_TRIPS, _WALKS = 200, 800
_AHEAD = (1, 2, 4, 8, 12, 16, 20)  # tokens, for the probes
_TIMES = 3  # as long as the words trained on


def log_task(
    env_id: str,
    model: NextLat,
    ways: Sequence[Acting],
    training: Batch,
    held_out: Batch,
    tracker: Tracker,
    step: int,
    console: Console,
) -> None:
    """Log the diagnostics of one of the paper's tasks; nothing for other environments.

    Args:
        env_id: full id.
        model: trained.
        ways: of acting, to compare.
        training: episodes to fit the probes to.
        held_out: episodes to score the probes on.
        tracker: receives curves `task/*` and figures.
        step: training step of the points.
        console: shows a progress bar.
    """
    env = make_env(env_id).unwrapped
    if not isinstance(env, TokenTask):
        return
    with bar(console, "Diagnostics", 2, "parts") as shown:
        if isinstance(env, StreetMapEnv):
            _log_map(env_id, model, tracker, step)
        elif isinstance(env, CountdownEnv):
            _log_equations(env_id, model, ways, tracker, step)
        elif isinstance(env, WordProblemEnv):
            _log_lengths(env, model, ways, tracker, step)
        shown.update(1)
        probes = probe_curve(model, training, held_out, _AHEAD)
        labels = ("tokens ahead", "cross entropy (nats)", "Linear probes on frozen beliefs")
        figure = lines_figure(_AHEAD, {"belief": probes}, *labels)
        tracker.figure("diagnostics/probes", figure, step)
        shown.update(2)


def _log_map(env_id: str, model: NextLat, tracker: Tracker, step: int) -> None:
    test = MapTest(env_id, _TRIPS, _WALKS)
    tracker.scalars({f"task/{name.replace(' ', '_')}": value for name, value in test.measures(model).items()}, step)
    tracker.figure("diagnostics/map", test.figure(test.map(model), f"{env_id}, {step:,} steps"), step)


def _log_equations(env_id: str, model: NextLat, ways: Sequence[Acting], tracker: Tracker, step: int) -> None:
    world_model = WorldModel(model, env_id)
    shares: dict[str, list[float]] = {}
    for acting in ways:
        envs = [make_env(env_id).unwrapped for _ in range(_PROBLEMS)]
        shares[acting] = equation_validity(world_model, envs, EVALUATION_SEED, acting)  # type: ignore[arg-type]
    places = range(1, max(map(len, shares.values())) + 1)
    figure = lines_figure(places, shares, "equation", "share that is legal", "Equations by place", top=1.02)
    tracker.figure("diagnostics/equations", figure, step)
    tracker.scalars({f"task/equation_{i}_legal": share for i, share in enumerate(shares["trunk"], 1)}, step)


def _log_lengths(env: WordProblemEnv, model: NextLat, ways: Sequence[Acting], tracker: Tracker, step: int) -> None:
    batch = words_batch(env, _TIMES * env.longest, _PROBLEMS).to(model.start.device)
    curves = accuracy_by_length(model, batch, batch.action != env.wait)
    # The question mark is one of the tokens read.
    elements = [length - 1 for length in curves["length"]]
    shown: dict[str, list[float]] = {name: curves[name] for name in ways}
    title = f"One word, trained on up to {env.longest} elements at a time"
    figure = lines_figure(elements, shown, "elements", "share of right answers", title, top=1.02)
    tracker.figure("diagnostics/lengths", figure, step)
    tracker.scalars({f"task/longest_words_{name}": curve[-1] for name, curve in shown.items()}, step)


def words_batch(env: WordProblemEnv, longest: int, problems: int) -> Batch:
    """Correct episodes of one word each, of 1 to `longest` elements of the environment's group."""
    asks = WordProblemEnv(env.group, longest=longest)
    seeds = range(EVALUATION_SEED, EVALUATION_SEED + problems)
    episodes = [roll_out(asks, TaskSolver(), seed) for seed in seeds]
    store = store_of_episodes(asks.observation_space, asks.action_space, episodes)
    return held_out_batch(store, np.arange(problems))
