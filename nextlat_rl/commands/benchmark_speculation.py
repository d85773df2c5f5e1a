"""Speculation measured: imagining with every drafter, and acting ahead of time, each against doing without."""

from __future__ import annotations

import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from nextlat_rl import checkpoint
from nextlat_rl.agents.agent import ActsInBatches, Agent
from nextlat_rl.agents.episodes import EVALUATION_SEED, evaluation_seeds, run_episodes
from nextlat_rl.agents.planning.planner import AnyPlanner, build_planner
from nextlat_rl.agents.speculative import SpeculativeAgent, can_come_true
from nextlat_rl.agents.tolerant import TolerantAgent
from nextlat_rl.commands.benchmark_risk import RISKS, risk_rows, risk_table
from nextlat_rl.commands.benchmark_tasks import data_in, run_task
from nextlat_rl.commands.evaluate import calibrated_tolerance
from nextlat_rl.commands.race import ALONE, positions, race
from nextlat_rl.commands.seen_cells import nothing_new
from nextlat_rl.commands.setup import drafter_batches, open_store
from nextlat_rl.config import BenchmarkConfig, PlannerSettings
from nextlat_rl.console import bar, table
from nextlat_rl.data.batches import Batcher
from nextlat_rl.data.minari_io import load_datasets
from nextlat_rl.diagnostics.figures import speculation_figure
from nextlat_rl.drafting.drafters.registry import UNTRAINED, make_drafter, make_net, until_unsure
from nextlat_rl.drafting.length import AdaptiveLength, DraftLength, FixedLength
from nextlat_rl.drafting.rollout import SpeculativeRollout
from nextlat_rl.drafting.training import train_drafter
from nextlat_rl.models.objective import ObjectiveConfig
from nextlat_rl.runtime import set_threads
from nextlat_rl.settings_check import DRAFTERS, STEP_BY_STEP
from nextlat_rl.statistics import bootstrap_interval
from nextlat_rl.world_model import WorldModel

_LARGE = (
    "model=large",
    "trainer.batch_size=12",
    "trainer.steps=400",
    "trainer.follow_steps=60",
    "trainer.learning_rate=0.001",
    "trainer.eval_episodes=64",
)
# Whole texts are drawn here, prompts as well as answers.
_TOKENS = ("planner=none", "objective.prompt_weight=1", "collect.steps=50000")
_LENGTHS = (1, 2, 4, 8, 16)
_RIVAL_LENGTHS = (2, 4, 8)
_LEARNING_RATE = 2e-3
_RISK = 0.01
_RISK_EPISODES = 300
_TURN = 200  # decisions, about
_WARM_UP = 500  # decisions, and the seed of the first episode
_WARM_UP_SEED = 0


@dataclass(frozen=True)
class SpeculationTask:
    """What is trained, and how much is measured.

    Attributes:
        env: the environment.
        horizon: longest imagined trajectory; 0 leaves imagination out.
        options: of the main job.
        decisions: on how many acting is measured; 0 leaves it out.

    """

    env: str
    horizon: int = 0
    options: Sequence[str] = ()
    decisions: int = 0


SPECULATION_TASKS = {
    "DoorKey": SpeculationTask("MiniGrid-DoorKey-5x5", 20, decisions=4_000),
    "FourRooms": SpeculationTask("MiniGrid-FourRooms", 50, decisions=3_000),
    "CartPole": SpeculationTask("CartPole-v1", 100, decisions=5_000),
    "Acrobot": SpeculationTask("Acrobot-v1", decisions=3_000),
    "LunarLander": SpeculationTask("LunarLander-v3", decisions=6_000),
    "Pendulum": SpeculationTask("Pendulum-v1", options=("planner=none",), decisions=4_000),
    "Running": SpeculationTask("NextLat/Running-S3-2", 24, _TOKENS),
    "DoorKey-12x384": SpeculationTask("MiniGrid-DoorKey-5x5", 20, _LARGE, decisions=1_500),
    "Running-12x384": SpeculationTask("NextLat/Running-S3-2", 24, (*_LARGE, *_TOKENS)),
}


def speculation_rows(name: str, seed: int, config: BenchmarkConfig, console: Console) -> list[dict[str, Any]]:
    """The main job, then both tables' rows of a task; one core, as small networks are fastest on."""
    task = SPECULATION_TASKS[name]
    with tempfile.TemporaryDirectory() as folder:
        rows = run_task(name, seed, config, console, task.env, task.options, data_folder=folder)
        with data_in(folder):
            set_threads(1)
            world_model = WorldModel.load(rows[0]["run"], "cpu")
            imagined = []
            if task.horizon:
                imagined = _imagination(world_model, rows[0]["run"], task.horizon, seed, config.quick, console)
    acted = []
    if task.decisions:
        decisions = 40 if config.quick else task.decisions
        for planner in ("none", "auto"):
            acted += _acting(world_model, planner, rows[0]["deterministic"], decisions, config.quick, console)
    shared = {key: rows[0][key] for key in ("part", "env", "seed", "target", "run", "peak_memory_mb")}
    return rows + [shared | row for row in imagined + acted]


def _imagination(
    world_model: WorldModel, run: str, horizon: int, seed: int, quick: bool, console: Console
) -> list[dict[str, Any]]:
    """Every drafter, trained for the same time, raced against drawing alone."""
    minutes, rounds = (0.02, 2) if quick else (1.0, 40)
    model, saved = world_model.model, checkpoint.load_config(run)
    batches = drafter_batches(open_store(load_datasets(saved["dataset_id"]), console), saved, seed)
    objective = ObjectiveConfig(**saved["train_config"]["objective"])
    alone = SpeculativeRollout(world_model, None, FixedLength(0))
    drawn = {ALONE: alone}
    seconds: dict[str, float] = defaultdict(float)
    for name in DRAFTERS:
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
        drafter = make_drafter(name, model, net)
        lengths = _LENGTHS if name == "nextlat" else _RIVAL_LENGTHS
        for length in lengths:
            drawn[f"{name} {length}"] = alone.drafting(drafter, FixedLength(length))
        drawn[f"{name} adaptive"] = alone.drafting(drafter, AdaptiveLength(max(lengths)))
        if name in STEP_BY_STEP and can_come_true(model):  # a control for the adaptive length
            drawn[f"{name} entropy"] = alone.drafting(*until_unsure(name, model, net, max(lengths)))
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


def _acting(
    world_model: WorldModel, planner: str, deterministic: bool, decisions: int, quick: bool, console: Console
) -> list[dict[str, Any]]:
    """Deciding ahead against deciding at every step, first by the clock, then by what several risks cost."""
    settings = PlannerSettings(name=planner)
    longest = AdaptiveLength().longest
    tolerances = {
        risk: calibrated_tolerance(world_model, settings, deterministic, 0, longest, risk, console) for risk in RISKS
    }
    rows = _timed(world_model, settings, deterministic, tolerances[_RISK], decisions, quick, console)
    episodes = 4 if quick else _RISK_EPISODES
    return rows + risk_rows(world_model, settings, deterministic, tolerances, longest, episodes, console)


def _timed(
    world_model: WorldModel,
    settings: PlannerSettings,
    deterministic: bool,
    tolerance: float,
    decisions: int,
    quick: bool,
    console: Console,
) -> list[dict[str, Any]]:
    """Whole episodes in turn, actions and returns compared.

    As many episodes as it takes for `decisions` of the agent that decides at every step.
    """
    planner, longest = settings.name, AdaptiveLength().longest

    def search() -> AnyPlanner | None:
        return build_planner(world_model, settings, deterministic, 0)

    def lossless(length: DraftLength) -> SpeculativeAgent:
        return SpeculativeAgent(world_model, 1, length, deterministic, 0, search())

    def tolerant(length: DraftLength) -> TolerantAgent:
        return TolerantAgent(world_model, 1, length, tolerance, deterministic, 0, search())

    # The adaptive length looks for speed; the fixed ones show how many calls could be saved.
    agents: dict[str, Agent | SpeculativeAgent | TolerantAgent] = {
        "off": Agent(world_model, 1, "trunk", deterministic, 0, search()),
        "lossless 4": lossless(FixedLength(4)),
        "lossless adaptive": lossless(AdaptiveLength(longest)),
        "tolerant adaptive": tolerant(AdaptiveLength(longest)),
        f"tolerant {longest}": tolerant(FixedLength(longest)),
    }
    # First some that do not count: what is used is traced, and the adaptive length tries a few.
    warm_up = 40 if quick else _WARM_UP
    for agent in agents.values():
        decided, seed = 0, _WARM_UP_SEED
        while decided < warm_up:
            (result,), _ = run_episodes(world_model.env_id, agent, [seed], 1)
            decided, seed = decided + result.length, seed + 1
    episodes = max(1, _TURN * (seed - _WARM_UP_SEED) // decided)
    played = {name: _Played() for name in agents}
    turn = EVALUATION_SEED
    with bar(console, f"Acting (planner {planner})", decisions, "decisions") as shown:
        while (done := len(played["off"].actions)) < decisions:
            shown.update(done)
            for name, agent in agents.items():
                played[name].play(world_model.env_id, agent, evaluation_seeds(episodes, turn))
            turn += episodes
    rows = [_acting_row(planner, name, agent, played[name], played["off"]) for name, agent in agents.items()]
    if world_model.env_id.startswith("MiniGrid-"):
        for row, mine in zip(rows, played.values(), strict=True):
            known = nothing_new(world_model.env_id, mine.seeds, mine.actions)
            row["share_known"] = float(known.mean())
            row["calls_where_known"] = float(np.array(mine.calls)[known].mean())
    return rows


def _acting_row(
    planner: str, name: str, agent: Agent | SpeculativeAgent | TolerantAgent, mine: _Played, off: _Played
) -> dict[str, Any]:
    """What an agent did, beside the one that decides at every step."""
    row: dict[str, Any] = {"kind": "acting", "contender": f"{planner}, {name}", "episodes": len(mine.returns)}
    row |= {"decisions": len(mine.actions), "episode_return": float(np.mean(mine.returns))}
    if not isinstance(agent, TolerantAgent):  # its history is another one after the first difference
        row["changed"] = _changed(mine.actions, off.actions)
    lost = [a - b for a, b in zip(off.returns, mine.returns, strict=True)]
    low, high = bootstrap_interval(lost)
    row |= {"return_lost": float(np.mean(lost)), "return_lost_low": low, "return_lost_high": high}
    row["ms_per_decision"] = median(mine.milliseconds)
    row["speed_up"] = median(a / b for a, b in zip(off.milliseconds, mine.milliseconds, strict=True))
    summary = {} if isinstance(agent, Agent) else agent.summary(planner != "none")
    calls = float(np.mean(mine.calls))
    return row | summary | {"trunk_calls_per_step": calls, "planner_calls_per_step": calls * (planner != "none")}


class _Played:
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


def _changed(mine: list[Any], others: list[Any]) -> int:
    """In how many places two sequences differ; one that is shorter differs in all that it lacks."""
    missing = abs(len(mine) - len(others))
    pairs = zip(mine, others, strict=False)
    return missing + sum(not np.array_equal(a, b) for a, b in pairs)


def speculation_tables(rows: list[dict[str, Any]]) -> list[Table]:
    """Imagining and acting, a line for each task and contender: means over training seeds, speed-ups one by one."""
    imagined = [_imagined_line(group) for group in _by_contender(rows, "imagination")]
    columns = ["task", "drafter", "draft", "speed-up", "of all steps", "accepted a draft", "acceptance by position"]
    columns += ["draft / trunk cost", "minutes of training"]
    tables = [table("Speculative imagination, one core, one trajectory at a time", columns, imagined)]
    acted = [_acting_line(group) for group in _by_contender(rows, "acting")]
    columns = ["task", "planner, speculate", "decisions", "changed", "return", "lost (at most)"]
    columns += ["calls a step", "where all was seen", "ms/decision", "speed-up"]
    tables.append(table("Speculative acting, one core, one environment", columns, acted))
    return [*tables, risk_table(_by_contender(rows, "risk"))]


def _by_contender(rows: list[dict[str, Any]], kind: str) -> list[list[dict[str, Any]]]:
    """The rows of each task and contender, a row for each seed."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in sorted((row for row in rows if row.get("kind") == kind), key=lambda row: row["seed"]):
        groups[row["part"], row["contender"]].append(row)
    return list(groups.values())


def _imagined_line(group: list[dict[str, Any]]) -> list[str]:
    """Cells of a drafter and a length."""
    name, _, length = group[0]["contender"].partition(" ")
    line = [group[0]["part"], name, length, _one_by_one(group, "speed_up"), _one_by_one(group, "throughput")]
    if "accepted_per_draft" not in group[0]:
        return [*line, "", "", "", ""]
    by_seed = zip_longest(*(row["acceptance_by_position"] for row in group), fillvalue=np.nan)
    by_position = positions([float(np.nanmean(chances)) for chances in by_seed])
    line += [f"{_mean(group, 'accepted_per_draft'):.2f}", by_position, f"{_mean(group, 'draft_cost'):.2f}"]
    return [*line, f"{_mean(group, 'drafter_minutes'):.1f}"]


def _acting_line(group: list[dict[str, Any]]) -> list[str]:
    """Cells of a planner and a way to speculate; what is lost in per cent of the return, its upper bound the worst."""
    scale = 100 / max(abs(_mean(group, "episode_return")), 1e-9)
    lost, most = scale * _mean(group, "return_lost"), scale * max(row["return_lost_high"] for row in group)
    known = ""
    if "share_known" in group[0]:
        known = f"{_mean(group, 'calls_where_known'):.2f} ({_mean(group, 'share_known'):.0%} of steps)"
    return [
        group[0]["part"],
        group[0]["contender"],
        f"{sum(row['decisions'] for row in group):,}",
        f"{sum(row['changed'] for row in group):,}" if "changed" in group[0] else "",
        f"{_mean(group, 'episode_return'):.3f}",
        f"{lost:.1f}% ({most:.1f}%)",
        f"{_mean(group, 'trunk_calls_per_step'):.2f}",
        known,
        f"{_mean(group, 'ms_per_decision'):.2f}",
        _one_by_one(group, "speed_up"),
    ]


def _mean(group: list[dict[str, Any]], key: str) -> float:
    return float(np.mean([row[key] for row in group]))


def _one_by_one(group: list[dict[str, Any]], key: str) -> str:
    """The mean, and of several seeds every one."""
    each = [f"{row[key]:.2f}" for row in group]
    return each[0] if len(group) == 1 else f"{_mean(group, key):.2f} ({' / '.join(each)})"


def speculation_figures(rows: list[dict[str, Any]], folder: Path) -> list[Path]:
    """A picture of each task's first seed."""
    files = []
    for part in dict.fromkeys(row["part"] for row in rows if "kind" in row):
        mine = [row for row in rows if row["part"] == part and row["seed"] == 0]
        imagined = [row for row in mine if row.get("kind") == "imagination"]
        files.append(folder / f"speculation-{part}.png")
        figure = speculation_figure(imagined, [row for row in mine if row.get("kind") == "acting"])
        figure.suptitle(part)
        figure.savefig(files[-1], dpi=110)
    return files
