"""Scoring an agent on fresh seeds, as a command of its own and as the last stage of training."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from itertools import count
from typing import Any

import numpy as np
import torch
from rich.console import Console

from nextlat_rl.agents.agent import Agent
from nextlat_rl.agents.calibration import calibrate
from nextlat_rl.agents.episodes import EpisodeResult, Timing, evaluation_seeds, run_episodes
from nextlat_rl.agents.planning.planner import AnyPlanner, build_planner
from nextlat_rl.agents.speculative import SpeculativeAgent
from nextlat_rl.agents.tolerant import TolerantAgent
from nextlat_rl.config import EvaluateConfig, PlannerSettings
from nextlat_rl.console import bar, make_console, table
from nextlat_rl.drafting.exactness import can_come_true
from nextlat_rl.drafting.length import DraftLength, FixedLength, draft_length
from nextlat_rl.envs import make_env, resolve_env_id
from nextlat_rl.memory import Acting
from nextlat_rl.results import git_revision, write_json
from nextlat_rl.runtime import set_threads
from nextlat_rl.seeds import EVALUATION_SEED
from nextlat_rl.settings_check import check_evaluate, check_trained
from nextlat_rl.statistics import bootstrap_interval
from nextlat_rl.training.checkpoint import load_config, run_folder
from nextlat_rl.training.tracking import Tracker
from nextlat_rl.world_model import WorldModel

_CALIBRATION_ENVS = 20

COLUMNS = ["agent", "return", "95% interval", "success", "episode length", "ms/decision"]


def evaluate(config: EvaluateConfig) -> None:
    """`python -m nextlat_rl.evaluate`."""
    check_evaluate(config)
    console = make_console(config.json)
    set_threads(config.threads)
    saved = load_config(config.checkpoint)
    trained = saved["train_config"]["objective"]
    planner, acting, speculate = config.planner.name, config.acting, config.speculate
    check_trained(trained["name"], trained["value_weight"], planner, acting, speculate=speculate)
    env_id = resolve_env_id(config.env.id or saved["env_id"])
    world_model = WorldModel.load(config.checkpoint, config.device)
    check_env(world_model, env_id)
    tolerance = None
    if config.speculate == "tolerant":
        longest = draft_length(config.draft).longest
        (tolerance,) = calibrated_tolerances(
            world_model, config.planner, config.deterministic, config.seed, longest, [config.risk], console
        )
    if config.speculate == "lossless" and not can_come_true(world_model.model):
        console.print(
            "Continuous observations never repeat a guess exactly, so every step is decided anew; speculate=tolerant "
            "can decide ahead here"
        )
    row, _ = score(
        world_model,
        env_id,
        acting=config.acting,  # type: ignore[arg-type]
        episodes=config.episodes,
        deterministic=config.deterministic,
        n_envs=config.n_envs,
        seed=config.seed,
        first_seed=config.first_seed,
        console=console,
        planner=config.planner,
        draft=None if config.speculate == "off" else draft_length(config.draft),
        tolerance=tolerance,
    )
    if tolerance is not None:
        row["risk"] = config.risk
    folder = run_folder(config.checkpoint)
    how = config.acting if config.planner.name == "none" else f"{config.acting}-{config.planner.name}"
    how += "" if config.speculate == "off" else f"-{config.speculate}"
    name = f"evaluation-{time.strftime('%Y%m%d-%H%M%S')}-{how}"
    write_json(folder / f"{name}.json", [row])
    tracker = Tracker(folder / name)
    tracker.scalars(eval_tags(row), saved["step"])
    if "accepted_histogram" in row:
        _log_speculation(tracker, row, saved["step"])
    tracker.close()
    if config.json:
        print(json.dumps([row], indent=1))
        return
    console.print(table(f"{env_id}, {config.episodes} fresh episodes", COLUMNS, [cells(row)]))
    if "accepted_per_draft" in row:
        console.print(
            f"{row['accepted_per_draft']:.2f} drafted steps came true a draft; {row['trunk_calls_per_step']:.2f} trunk "
            f"and {row['planner_calls_per_step']:.2f} planner calls a step",
            highlight=False,
        )
    console.print(f"Written to {folder / name}.json", highlight=False)


def calibrated_tolerances(
    world_model: WorldModel,
    planner: PlannerSettings,
    deterministic: bool,
    seed: int,
    longest: int,
    risks: Sequence[float],
    console: Console,
    episodes: int = 100,
) -> list[float]:
    """The tolerance of `speculate=tolerant` for each risk, from fresh `episodes` of the agent's own a try."""

    def search() -> AnyPlanner | None:
        return build_planner(world_model, planner, deterministic, seed)

    exact = Agent(world_model, _CALIBRATION_ENVS, "trunk", deterministic, seed, search())
    everything = FixedLength(longest)
    tolerant = TolerantAgent(world_model, _CALIBRATION_ENVS, everything, float("inf"), deterministic, seed, search())
    with bar(console, "Calibrating", None, "episodes") as shown:
        done = count(1)
        tolerances = calibrate(exact, tolerant, risks, episodes, on_episode=lambda result: shown.update(next(done)))
    for risk, tolerance in zip(risks, tolerances, strict=True):
        found = f"Tolerance {tolerance:.3g} for" if tolerance >= 0 else "No tolerance found that keeps"
        after = "" if tolerance >= 0 else ": every step will be decided anew; a higher risk= may find one"
        console.print(f"{found} a risk of {risk:g} per decision made ahead{after}", highlight=False)
    return tolerances


def _log_speculation(tracker: Tracker, row: dict[str, Any], step: int) -> None:
    """How the drafts fared, in TensorBoard."""
    names = ("accepted_per_draft", "planner_calls_per_step", "trunk_calls_per_step", "ms_per_decision")
    tracker.scalars({f"speculation/{name}": row[name] for name in names}, step)
    tracker.histogram("speculation/accepted_a_draft", row["accepted_histogram"], step)
    for k, chance in enumerate(row["acceptance_by_position"]):
        tracker.scalars({"speculation/acceptance_by_position": chance}, k + 1)


def check_env(world_model: WorldModel, env_id: str) -> None:
    """Require the environment's spaces to be the model's."""
    env = make_env(env_id)
    world_model.check_spaces(env.observation_space, env.action_space)
    env.close()


def score(
    world_model: WorldModel,
    env_id: str,
    *,
    acting: Acting,
    episodes: int,
    deterministic: bool,
    n_envs: int,
    seed: int,
    console: Console,
    record: int = 0,
    first_seed: int = EVALUATION_SEED,
    planner: PlannerSettings | None = None,
    draft: DraftLength | None = None,
    tolerance: float | None = None,
) -> tuple[dict[str, Any], list[EpisodeResult]]:
    """Play the episodes from `first_seed` on; the result row and the episodes."""
    started = time.monotonic()
    chosen = evaluation_seeds(episodes, first_seed)
    n_envs = min(n_envs, len(chosen))
    search = build_planner(world_model, planner, deterministic, seed) if planner else None
    agent: Agent | SpeculativeAgent | TolerantAgent
    if draft is None:
        agent = Agent(world_model, n_envs, acting, deterministic, seed, search)
    elif tolerance is None:
        agent = SpeculativeAgent(world_model, n_envs, draft, deterministic, seed, search)
    else:
        agent = TolerantAgent(world_model, n_envs, draft, tolerance, deterministic, seed, search)
    name = acting if search is None else f"{acting} + {planner.name}"  # type: ignore[union-attr]
    name += "" if draft is None else ", lossless" if tolerance is None else ", tolerant"
    total = 0.0
    finished = 0
    with bar(console, f"Evaluating ({name})", len(chosen), "episodes") as shown:

        def on_episode(result: EpisodeResult) -> None:
            nonlocal total, finished
            total += result.episode_return
            finished += 1
            shown.update(finished, f"return {total / finished:.3g}")

        results, timing = run_episodes(env_id, agent, chosen, n_envs, on_episode, record)
    row = summary(results, timing)
    row |= {
        "env": env_id,
        "agent": f"policy ({name})",
        "deterministic": deterministic,
        "n_envs": n_envs,
        "seed": seed,
        "wall_seconds": time.monotonic() - started,
        "cores": torch.get_num_threads(),
        "device": str(world_model.device),
        "git_revision": git_revision(),
        "planner_calls_per_step": float(search is not None),
        "trunk_calls_per_step": 1.0 if acting == "trunk" else episodes / max(sum(r.length for r in results), 1),
    }
    if not isinstance(agent, Agent):
        row |= agent.summary(search is not None)
    return row, results


def summary(results: list[EpisodeResult], timing: Timing) -> dict[str, Any]:
    """Means with 95% bootstrap intervals over the episodes."""
    returns = [result.episode_return for result in results]
    lengths = [float(result.length) for result in results]
    low, high = bootstrap_interval(returns)
    length_low, length_high = bootstrap_interval(lengths)
    row: dict[str, Any] = {
        "return_mean": float(np.mean(returns)),
        "return_ci_low": low,
        "return_ci_high": high,
        "episode_length_mean": float(np.mean(lengths)),
        "episode_length_ci_low": length_low,
        "episode_length_ci_high": length_high,
        "episodes": len(results),
        "ms_per_decision": timing.ms_per_decision,
    }
    known = [float(result.success) for result in results if result.success is not None]
    if known:
        success_low, success_high = bootstrap_interval(known)
        row |= {
            "success_rate": float(np.mean(known)),
            "success_ci_low": success_low,
            "success_ci_high": success_high,
        }
    return row


def eval_tags(row: dict[str, Any]) -> dict[str, float]:
    """The row under Stable-Baselines3's TensorBoard tags."""
    tags = {"eval/mean_reward": row["return_mean"], "eval/mean_ep_length": row["episode_length_mean"]}
    return tags | ({"eval/success_rate": row["success_rate"]} if "success_rate" in row else {})


def cells(row: dict[str, Any]) -> list[str]:
    """The row as table cells under `COLUMNS`."""
    success = "" if "success_rate" not in row else f"{row['success_rate']:.3f}"
    if "success_ci_low" in row:
        success += f" [{row['success_ci_low']:.2f}, {row['success_ci_high']:.2f}]"
    length = f"{row['episode_length_mean']:.1f}"
    if "episode_length_ci_low" in row:
        length += f" [{row['episode_length_ci_low']:.1f}, {row['episode_length_ci_high']:.1f}]"
    return [
        row["agent"],
        f"{row['return_mean']:.3f}",
        f"[{row['return_ci_low']:.3f}, {row['return_ci_high']:.3f}]",
        success,
        length,
        f"{row['ms_per_decision']:.3f}" if "ms_per_decision" in row else "",
    ]
