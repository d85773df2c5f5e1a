"""The end of a run: scores on fresh seeds, diagnostics, figures, and the table."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from nextlat_rl.agents.episodes import EpisodeResult
from nextlat_rl.agents.planning.config import planner_config
from nextlat_rl.console import table
from nextlat_rl.envs.drawing import observation_drawer
from nextlat_rl.jobs.config import TrainConfig
from nextlat_rl.jobs.diagnosis import Diagnosis, measure_world
from nextlat_rl.jobs.evaluation import COLUMNS, ActingConfig, cells, eval_tags, score
from nextlat_rl.jobs.imagined_gap import imagined_gap
from nextlat_rl.jobs.improvement import improve_heads, improved_folder
from nextlat_rl.jobs.run import RunContext
from nextlat_rl.jobs.trust import log_diagnosis, trust_line
from nextlat_rl.metrics.beliefs import belief_rank, latent_error_by_horizon
from nextlat_rl.models.nextlat import NextLat
from nextlat_rl.notices import costs_only
from nextlat_rl.objectives.config import trains_dynamics
from nextlat_rl.plotting.dreams import dream_figure
from nextlat_rl.plotting.lines import horizon_figure
from nextlat_rl.results import provenance, write_json
from nextlat_rl.statistics import bootstrap_interval
from nextlat_rl.training.checkpoint import annotate, load_config
from nextlat_rl.training.tracking import Tracker
from nextlat_rl.training.trainer import total_steps
from nextlat_rl.types import Batch
from nextlat_rl.world_model import WorldModel

_DREAM_HORIZON = 20

Rows = list[dict[str, Any]]


def final_report(context: RunContext, model: NextLat, held_out: Batch, tracker: Tracker) -> Rows:
    """Evaluate, diagnose, draw, log; the result rows: the policy in each way of acting, and its behaviour."""
    config = context.config
    world_model = WorldModel(model, context.env_id, config.objective.discount)
    step = total_steps(config.trainer, config.objective.name)
    found = None
    with costs_only("the comparison of dreams with reality"):
        found = _diagnose(context, world_model, tracker, step)
    diagnosed: dict[str, Any] = found.row() if found is not None else {}
    rows, episodes = _score_ways(context, ways_of_acting(config), world_model, record=1)
    gap: dict[str, Any] = {}
    if trains_dynamics(config.objective.name):  # what untrained dynamics imagine means nothing
        with costs_only("the imagined return"):
            gap = imagined_gap(world_model, episodes, context.limit, config.deterministic)
    rows[0] |= diagnosed | gap
    rows.append(behaviour_row(context))
    rank = float("nan")
    with costs_only("the rank of the beliefs"):
        rank = belief_rank(model, held_out)
    tracker.scalars(eval_tags(rows[0]) | {"diagnostics/effective_rank": rank}, step)
    if gap:
        _log_imagination(gap, world_model, held_out, tracker, step)
    if frames := episodes[0].frames:
        tracker.animation("eval/episode", frames, step)
    _log_settings(config, rows[0], rank, tracker, step)
    _show(context, rows, gap)
    if found is not None:
        context.console.print(trust_line(found.trust), highlight=False)
    return rows


def improved_report(context: RunContext, model: NextLat) -> Rows:
    """Improve the policy in imagination and score it; its result rows, with and without the planner."""
    config = context.config
    saved = load_config(context.folder)
    world_model = WorldModel(model, context.env_id, config.objective.discount)
    world_model.trust_horizon = saved.get("trust_horizon")
    planner = config.planner if config.planner.name != "none" else planner_config({"name": "lookahead"})
    with improved_folder(context.folder, config.improve.name) as folder:
        improve_heads(world_model, context.store, config.improve, planner, config.seed, folder, saved, context.console)
        rows = _score_improved(context, world_model, folder)
        write_json(folder / "results.json", rows)
    _show(context, rows, rows[0])
    return rows


def _score_improved(context: RunContext, world_model: WorldModel, folder: Path) -> Rows:
    config = context.config
    ways = [way for way in ways_of_acting(config) if way.acting == config.acting]
    rows, episodes = _score_ways(context, ways, world_model)
    for row in rows:
        row |= {"agent": f"improved {row['agent']}", "run": str(folder), "improve": config.improve.name}
    rows[0] |= imagined_gap(world_model, episodes, context.limit, config.deterministic)
    tracker = Tracker(folder)
    tracker.scalars(eval_tags(rows[0]) | {"eval/imagined_gap": rows[0]["imagined_gap"]}, config.improve.steps)
    tracker.close()
    return rows


def _diagnose(context: RunContext, world_model: WorldModel, tracker: Tracker, step: int) -> Diagnosis | None:
    """Measure how far dreams can be trusted, and keep it in `world_model` and in the checkpoint; None if not wanted."""
    config = context.config
    if not config.trainer.diagnosis_episodes or not trains_dynamics(config.objective.name):
        return None
    found = measure_world(
        world_model,
        context.env_id,
        context.store,
        context.console,
        episodes=config.trainer.diagnosis_episodes,
        deterministic=config.deterministic,
        seed=config.seed,
        split_seed=config.seed,
    )
    world_model.trust_horizon = found.trust.trust_horizon
    annotate(context.folder, trust_horizon=found.trust.trust_horizon)
    log_diagnosis(found, tracker, step)
    return found


def ways_of_acting(config: TrainConfig) -> list[ActingConfig]:
    """The ways of acting that are scored; the policy comes first, as `config.acting` says."""
    first = ActingConfig(config.acting, deterministic=config.deterministic, seed=config.seed)
    ways = [first]
    if trains_dynamics(config.objective.name):
        ways.append(replace(first, acting="recurrent" if config.acting == "trunk" else "trunk"))
    if config.planner.name != "none":
        ways.append(replace(first, planner=config.planner))
    return ways


def _score_ways(
    context: RunContext, ways: list[ActingConfig], world_model: WorldModel, record: int = 0
) -> tuple[Rows, list[EpisodeResult]]:
    """Play the evaluation episodes in each way of acting; the rows, and the first way's episodes."""
    trainer = context.config.trainer
    rows: Rows = []
    first: list[EpisodeResult] = []
    for way in ways:
        row, episodes = score(
            world_model,
            context.env_id,
            way,
            episodes=trainer.eval_episodes,
            first_seed=trainer.eval_first_seed,
            console=context.console,
            record=0 if rows else record,
        )
        first = first or episodes
        data = {"data": context.dataset_id, "env_steps": context.store.num_transitions}
        rows.append(row | data | {"run": str(context.folder)})
    return rows, first


def behaviour_row(context: RunContext) -> dict[str, Any]:
    """The score of the behaviour that gathered the data."""
    store = context.store
    low, high = bootstrap_interval(store.episode_return.tolist())
    row = {
        "env": context.env_id,
        "agent": "behaviour (the data)",
        "data": context.dataset_id,
        "return_mean": float(store.episode_return.mean()),
        "return_ci_low": low,
        "return_ci_high": high,
        "episode_length_mean": store.summary["episode_length_mean"],
        "episodes": store.num_episodes,
        "env_steps": store.num_transitions,
    }
    if context.env_id.startswith(("MiniGrid-", "BabyAI-")):
        row["success_rate"] = float((store.episode_return > 0).mean())
    return row | provenance(seed=context.config.seed, device="cpu").as_dict()


def _show(context: RunContext, rows: Rows, gap: dict[str, Any]) -> None:
    title = f"{context.env_id}: {context.config.trainer.eval_episodes} fresh episodes"
    context.console.print(table(title, COLUMNS, [cells(row) for row in rows]))
    if gap:
        context.console.print(gap_line(gap), highlight=False)


def gap_line(gap: dict[str, Any]) -> str:
    """Imagined against real return, as the job's last lines say it."""
    return (
        f"Imagined return {gap['imagined_return_mean']:.3f} [{gap['imagined_return_ci_low']:.3f}, "
        f"{gap['imagined_return_ci_high']:.3f}] against real {gap['real_return_mean']:.3f} from the same "
        f"{gap['gap_episodes']} starts over at most {gap['gap_horizon']} steps: gap {gap['imagined_gap']:+.3f}"
    )


def _log_imagination(
    gap: dict[str, Any], world_model: WorldModel, held_out: Batch, tracker: Tracker, step: int
) -> None:
    """The gap, the dynamics' error by horizon, and imagined beside real observations."""
    imagined = {"eval/imagined_return": gap["imagined_return_mean"], "eval/imagined_gap": gap["imagined_gap"]}
    tracker.scalars(imagined, step)
    with costs_only("the picture of the latent error"):
        errors = latent_error_by_horizon(world_model.model, held_out, 32)
        if errors["grounded"]:
            tracker.figure("diagnostics/latent_error_by_horizon", horizon_figure(errors), step)
    with costs_only("the picture of real and imagined observations"):
        dream = dream_figure(world_model, held_out, _DREAM_HORIZON, observation_drawer(world_model.observation_space))
        if dream is not None:
            tracker.figure("imagination/real_against_imagined", dream, step)


def _log_settings(config: TrainConfig, row: dict[str, Any], rank: float, tracker: Tracker, step: int) -> None:
    """The settings beside the final figures, for TensorBoard's HPARAMS tab."""
    settings = {name: value for name, value in _flat(asdict(config)).items() if value is not None}
    metrics = {"hparam/return": row["return_mean"], "hparam/rank": rank}
    if "imagined_gap" in row:
        metrics["hparam/imagined_gap"] = row["imagined_gap"]
    tracker.hparams(settings | {"git_revision": row["git_revision"]}, metrics, step)


def _flat(tree: Any, prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat
