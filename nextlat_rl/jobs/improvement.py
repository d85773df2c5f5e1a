"""Improving a trained policy in the imagination of its own world model."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from nextlat_rl.agents.improvement.config import ImproveConfig
from nextlat_rl.agents.improvement.imagination import ImaginationImprover
from nextlat_rl.agents.improvement.reanalyse import ReanalyseImprover
from nextlat_rl.agents.improvement.starts import real_beliefs
from nextlat_rl.agents.planning.config import PlannerConfig
from nextlat_rl.console import bar, make_console
from nextlat_rl.data.batches import Batcher
from nextlat_rl.data.minari_io import load_datasets
from nextlat_rl.data.store import Store
from nextlat_rl.envs import make_env, time_limit
from nextlat_rl.jobs.commands import ImproveCommand
from nextlat_rl.jobs.compose import compose
from nextlat_rl.jobs.data import open_store
from nextlat_rl.jobs.evaluation import ActingConfig, load_world_model, score
from nextlat_rl.jobs.imagined_gap import imagined_gap
from nextlat_rl.jobs.requirements import check_trained
from nextlat_rl.jobs.run import TrainingRun
from nextlat_rl.jobs.suitability import check_folder
from nextlat_rl.locks import filled, sweep_unfinished
from nextlat_rl.results import write_json
from nextlat_rl.runtime import set_threads
from nextlat_rl.training import checkpoint
from nextlat_rl.training.build import window_length
from nextlat_rl.training.tracking import Tracker
from nextlat_rl.world_model import WorldModel

_LOG_EVERY = 10
_WINDOWS = 32


def improve_policy(
    run: TrainingRun | str | Path, method: str = "imagination", overrides: Sequence[str] = (), *, quiet: bool = False
) -> TrainingRun:
    """Improve the policy of a trained run without new data, scored before and after; the run itself stays as it is.

    Args:
        run: what `train_model` returned, or a run folder.
        method: `imagination` (actor-critic on drawn roll-outs) or `reanalyse` (towards what a planner finds).
        overrides: options as `python -m nextlat_rl.improve` takes them, such as `["improve.steps=50", "episodes=100"]`.
        quiet: print nothing.

    Returns:
        the improved run; its rows are those of the policy before and after.

    Raises:
        UserError: an unknown option, a run whose dynamics or value were not trained, data that are gone.
    """
    source = run.folder if isinstance(run, TrainingRun) else run
    config = compose("improve", ImproveCommand, [f"checkpoint={source}", f"improve={method}", *overrides])
    rows = improve(config, make_console(config.json, silent=quiet))
    folder = Path(rows[-1]["run"])
    return TrainingRun(folder, WorldModel.load(folder, config.device), rows)


def improve(config: ImproveCommand, console: Console) -> list[dict[str, Any]]:
    """Improve a checkpoint's policy; the rows of the policy before and after, which are also written.

    Raises:
        UserError: see `improve_policy`.
    """
    set_threads(config.threads)
    saved = checkpoint.load_config(config.checkpoint)
    objective = checkpoint.trained_objective(saved)
    check_trained(objective, planner=config.planner.name, acting=config.acting, improve=config.improve.name)
    check_folder(checkpoint.run_folder(config.checkpoint), "checkpoint=")  # which the improved policy is kept in
    world_model = load_world_model(config)
    env_id = world_model.env_id
    store = open_store(load_datasets(config.data or saved["dataset_id"]), console)
    deterministic = saved["train_config"]["deterministic"] if config.deterministic is None else config.deterministic
    acting = ActingConfig(config.acting, deterministic=deterministic, seed=config.seed)
    env = make_env(env_id)
    limit = time_limit(env)
    env.close()

    def scored(name: str) -> dict[str, Any]:
        shared = {"episodes": config.episodes, "first_seed": config.first_seed}
        row, episodes = score(world_model, env_id, acting, console=console, **shared)
        return row | imagined_gap(world_model, episodes, limit, deterministic) | {"agent": name}

    before = scored("policy")
    with improved_folder(checkpoint.run_folder(config.checkpoint), config.improve.name) as folder:
        improve_heads(world_model, store, config.improve, config.planner, config.seed, folder, saved, console)
        rows = [before, scored("improved policy")]
        rows = [row | {"run": str(folder), "improve": config.improve.name, "seed": config.seed} for row in rows]
        write_json(folder / "results.json", rows)
    return rows


def improve_heads(
    world_model: WorldModel,
    store: Store,
    config: ImproveConfig,
    planner: PlannerConfig,
    seed: int,
    folder: Path,
    saved: dict[str, Any],
    console: Console,
) -> None:
    """Improve the policy of `world_model` in place, and keep it as a checkpoint in `folder`.

    Args:
        world_model: its policy and value heads are changed.
        store: whose beliefs to start from.
        config: how; `horizon` is cut to the world model's trust horizon.
        planner: of `reanalyse`.
        seed: of starts and noise.
        folder: gets the curves and the checkpoint.
        saved: the checkpoint's config so far.
        console: shows the progress.
    """
    config = replace(config, horizon=world_model.trusted(config.horizon))
    batches = Batcher(store, _WINDOWS, window_length(store), seed)
    with bar(console, "Reading the data", config.beliefs, "beliefs") as shown:
        beliefs = real_beliefs(world_model, batches, config.beliefs, shown.update)
    improver: ImaginationImprover | ReanalyseImprover
    if config.name == "imagination":
        improver = ImaginationImprover(world_model, beliefs, config, seed)
    else:
        improver = ReanalyseImprover(world_model, beliefs, config, planner, seed)
    tracker = Tracker(folder)
    with bar(console, f"Improving by {config.name}", config.steps, "steps") as shown:
        while improver.step < config.steps:
            watched = improver.improve_step()
            if improver.step % _LOG_EVERY == 0 or improver.step == config.steps:
                curves = {name: float(value) for name, value in watched.items()}
                tracker.scalars({f"improve/{name}": value for name, value in curves.items()}, improver.step)
                note = f"value {curves['value']:.3f}  divergence {curves['divergence']:.3f}"
                shown.update(improver.step, note)
    tracker.close()
    how = {"improve": asdict(config)}
    names = ("env_id", "discount", "dataset_id", "train_config", "trust_horizon")
    kept = {name: saved[name] for name in names if name in saved}
    checkpoint.save(folder / "checkpoints", saved["step"], world_model.model, None, kept | how)


@contextmanager
def improved_folder(run: Path, name: str) -> Iterator[Path]:
    """A new folder for an improved policy inside the run that it came from; it goes again unless it gets results.

    Raises:
        UserError: it cannot be made.
    """
    sweep_improved(run)
    with filled(run / f"improved-{name}", "checkpoint=", _has_results) as folder:
        yield folder


def sweep_improved(run: Path) -> None:
    """Delete improved policies whose commands were killed."""
    sweep_unfinished(run.glob("improved-*"), _has_results)


def _has_results(folder: Path) -> bool:
    return (folder / "results.json").exists()
