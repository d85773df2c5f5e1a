"""The end of a run: scores on fresh seeds, diagnostics, figures, and the table."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from nextlat_rl.agents.episodes import EpisodeResult
from nextlat_rl.agents.planning.config import planner_config
from nextlat_rl.console import table
from nextlat_rl.data.store import Store
from nextlat_rl.envs.drawing import observation_drawer
from nextlat_rl.jobs.config import TrainConfig
from nextlat_rl.jobs.evaluation import COLUMNS, ActingConfig, cells, eval_tags, score
from nextlat_rl.jobs.imagined_gap import imagined_gap
from nextlat_rl.jobs.improvement import improve_heads, improved_folder
from nextlat_rl.jobs.requirements import trains_dynamics
from nextlat_rl.metrics.beliefs import belief_rank, latent_error_by_horizon
from nextlat_rl.models.nextlat import NextLat
from nextlat_rl.plotting.dreams import dream_figure
from nextlat_rl.plotting.lines import horizon_figure
from nextlat_rl.results import git_revision
from nextlat_rl.statistics import bootstrap_interval
from nextlat_rl.training.checkpoint import load_config
from nextlat_rl.training.tracking import Tracker
from nextlat_rl.training.trainer import total_steps
from nextlat_rl.types import Batch
from nextlat_rl.world_model import WorldModel

_DREAM_HORIZON = 20
_MAX_FRAMES = 200


def final_report(
    config: TrainConfig,
    env_id: str,
    dataset_id: str,
    run: Path,
    model: NextLat,
    store: Store,
    held_out: Batch,
    tracker: Tracker,
    console: Console,
    limit: int | None,
) -> list[dict[str, Any]]:
    """Evaluate, diagnose, draw, log; the result rows: the policy in each way of acting, and its behaviour."""
    world_model = WorldModel(model, env_id, config.objective.discount)
    rows, episodes = _score_ways(config, _ways(config), world_model, console, record=True)
    for row in rows:
        row |= {"data": dataset_id, "env_steps": store.num_transitions, "run": str(run)}
    # Only NextLat trains the dynamics; what other objectives imagine means nothing.
    imagines = trains_dynamics(config.objective.name)
    gap = imagined_gap(world_model, episodes[0], limit, config.deterministic) if imagines else {}
    rows[0] |= gap
    rows.append(behaviour_row(env_id, dataset_id, store))
    _log(config, rows, gap, world_model, held_out, tracker, episodes[0][0].frames)
    _show(config, env_id, rows, gap, console)
    return rows


def improved_report(
    config: TrainConfig,
    env_id: str,
    dataset_id: str,
    run: Path,
    model: NextLat,
    store: Store,
    console: Console,
    limit: int | None,
) -> list[dict[str, Any]]:
    """Improve the policy in imagination and score it; its result rows, with and without the planner."""
    world_model = WorldModel(model, env_id, config.objective.discount)
    folder = improved_folder(run, config.improve.name)
    planner = config.planner if config.planner.name != "none" else planner_config({"name": "lookahead"})
    improve_heads(world_model, store, config.improve, planner, config.seed, folder, load_config(run), console)
    ways = [way for way in _ways(config) if way.acting == config.acting]
    rows, episodes = _score_ways(config, ways, world_model, console, record=False)
    for row in rows:
        row["agent"] = f"improved {row['agent']}"
        row |= {"data": dataset_id, "env_steps": store.num_transitions, "run": str(folder)}
        row |= {"improve": config.improve.name}
    rows[0] |= imagined_gap(world_model, episodes[0], limit, config.deterministic)
    tracker = Tracker(folder)
    tracker.scalars(eval_tags(rows[0]) | {"eval/imagined_gap": rows[0]["imagined_gap"]}, config.improve.steps)
    tracker.close()
    _show(config, env_id, rows, rows[0], console)
    return rows


def _score_ways(
    config: TrainConfig, ways: list[ActingConfig], world_model: WorldModel, console: Console, record: bool
) -> tuple[list[dict[str, Any]], list[list[EpisodeResult]]]:
    """Play the evaluation episodes in each way of acting; result rows and episodes, the first one's with frames."""
    trainer = config.trainer
    scored = [
        score(
            world_model,
            world_model.env_id,
            way,
            episodes=trainer.eval_episodes,
            first_seed=trainer.eval_first_seed,
            console=console,
            record=int(record and i == 0),
        )
        for i, way in enumerate(ways)
    ]
    return [row for row, _ in scored], [episodes for _, episodes in scored]


def _show(config: TrainConfig, env_id: str, rows: list[dict[str, Any]], gap: dict[str, Any], console: Console) -> None:
    console.print(table(f"{env_id}: {config.trainer.eval_episodes} fresh episodes", COLUMNS, [cells(r) for r in rows]))
    if not gap:
        return
    console.print(
        f"Imagined return {gap['imagined_return_mean']:.3f} [{gap['imagined_return_ci_low']:.3f}, "
        f"{gap['imagined_return_ci_high']:.3f}] against real {gap['real_return_mean']:.3f} from the same "
        f"{gap['gap_episodes']} starts over at most {gap['gap_horizon']} steps: gap {gap['imagined_gap']:+.3f}",
        highlight=False,
    )


def _ways(config: TrainConfig) -> list[ActingConfig]:
    """The ways of acting that are scored; the policy comes first, as `config.acting` says."""
    first = ActingConfig(config.acting, deterministic=config.deterministic, seed=config.seed)
    ways = [first]
    if trains_dynamics(config.objective.name):
        ways.append(replace(first, acting="recurrent" if config.acting == "trunk" else "trunk"))
    if config.planner.name != "none":
        ways.append(replace(first, planner=config.planner))
    return ways


def behaviour_row(env_id: str, dataset_id: str, store: Store) -> dict[str, Any]:
    """The score of whatever gathered the data."""
    low, high = bootstrap_interval(store.episode_return.tolist())
    row = {
        "env": env_id,
        "agent": "behaviour (the data)",
        "data": dataset_id,
        "return_mean": float(store.episode_return.mean()),
        "return_ci_low": low,
        "return_ci_high": high,
        "episode_length_mean": store.summary["episode_length_mean"],
        "episodes": store.num_episodes,
        "env_steps": store.num_transitions,
    }
    if env_id.startswith(("MiniGrid-", "BabyAI-")):
        row["success_rate"] = float((store.episode_return > 0).mean())
    return row


def _log(
    config: TrainConfig,
    rows: list[dict[str, Any]],
    gap: dict[str, Any],
    world_model: WorldModel,
    held_out: Batch,
    tracker: Tracker,
    frames: list[np.ndarray],
) -> None:
    step = total_steps(config.trainer, config.objective.name)
    rank = belief_rank(world_model.model, held_out)
    tracker.scalars(eval_tags(rows[0]) | {"diagnostics/effective_rank": rank}, step)
    if gap:
        _log_imagination(gap, world_model, held_out, tracker, step)
    if frames:
        tracker.animation("eval/episode", frames[:_MAX_FRAMES], step)
    flat = _flat(asdict(config))
    settings = {name: value for name, value in flat.items() if value is not None}
    metrics = {"hparam/return": rows[0]["return_mean"], "hparam/rank": rank}
    if gap:
        metrics["hparam/imagined_gap"] = gap["imagined_gap"]
    tracker.hparams(settings | {"git_revision": git_revision()}, metrics)


def _log_imagination(
    gap: dict[str, Any], world_model: WorldModel, held_out: Batch, tracker: Tracker, step: int
) -> None:
    """The gap, the dynamics' error by horizon, and a dream beside reality."""
    imagined = {"eval/imagined_return": gap["imagined_return_mean"], "eval/imagined_gap": gap["imagined_gap"]}
    tracker.scalars(imagined, step)
    errors = latent_error_by_horizon(world_model.model, held_out, 32)
    if errors["grounded"]:
        tracker.figure("diagnostics/latent_error_by_horizon", horizon_figure(errors), step)
    dream = dream_figure(world_model, held_out, _DREAM_HORIZON, observation_drawer(world_model.observation_space))
    if dream is not None:
        tracker.figure("imagination/real_against_imagined", dream, step)


def _flat(tree: Any, prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat
