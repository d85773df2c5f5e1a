"""`python -m nextlat_rl.evaluate`."""

from pathlib import Path
from typing import Any

from rich.console import Console

from nextlat_rl.console import make_console, print_result, table
from nextlat_rl.drafting.exactness import can_come_true
from nextlat_rl.drafting.length import draft_length
from nextlat_rl.jobs.commands import EvaluateCommand
from nextlat_rl.jobs.evaluation import (
    COLUMNS,
    ActingConfig,
    calibrated_tolerances,
    cells,
    eval_tags,
    load_world_model,
    score,
)
from nextlat_rl.jobs.requirements import check_trained
from nextlat_rl.jobs.suitability import check_folder
from nextlat_rl.jobs.trust import warn_of_distrust
from nextlat_rl.notices import costs_only
from nextlat_rl.results import write_json
from nextlat_rl.runtime import set_threads
from nextlat_rl.training.checkpoint import load_config, run_folder, trained_objective
from nextlat_rl.training.tracking import Tracker, new_result
from nextlat_rl.world_model import WorldModel


def evaluate(config: EvaluateCommand) -> None:
    """Score a checkpoint on fresh seeds; the row goes to its run folder, to TensorBoard and to the terminal."""
    console = make_console(config.json)
    set_threads(config.threads)
    saved = load_config(config.checkpoint)
    folder, written = Path(config.out or run_folder(config.checkpoint)), None
    check_folder(folder, "out=")
    objective = trained_objective(saved)
    check_trained(objective, planner=config.planner.name, acting=config.acting, speculate=config.speculate)
    world_model = load_world_model(config)
    env_id = world_model.env_id
    warn_of_distrust(world_model, config.planner.name, console)
    acting = _acting(config, world_model, console)
    shared = {"episodes": config.episodes, "n_envs": config.n_envs, "first_seed": config.first_seed}
    row, _ = score(world_model, env_id, acting, console=console, **shared)
    if acting.tolerance is not None:
        row["risk"] = config.risk
    parts = [config.acting, config.planner.name, config.speculate]
    details = [part for part in parts if part not in ("none", "off")]
    with (
        costs_only(f"the file of this evaluation in {folder}"),
        new_result(folder, "evaluation", *details) as (tracker, file),
    ):
        tracker.scalars(eval_tags(row), saved["step"])
        if "accepted_histogram" in row:
            _log_speculation(tracker, row, saved["step"])
        tracker.flush()
        write_json(file, [row])
        written = file
    if config.json:
        print_result([row])
        return
    _show(row, f"{env_id}, {config.episodes} fresh episodes", console)
    if written is not None:
        console.print(f"Written to {written}", highlight=False)


def _acting(config: EvaluateCommand, world_model: WorldModel, console: Console) -> ActingConfig:
    """How to act, after calibration where `speculate=tolerant` needs one."""
    acting = ActingConfig(config.acting, config.planner, config.deterministic, config.seed)
    if config.speculate == "off":
        return acting
    acting.draft = draft_length(config.draft)
    if config.speculate == "tolerant":
        (acting.tolerance,) = calibrated_tolerances(world_model, acting, acting.draft.longest, [config.risk], console)
    elif not can_come_true(world_model.observation_codecs):
        console.print(
            "Continuous observations never repeat a guess exactly, so every step is decided anew; speculate=tolerant "
            "can decide ahead here"
        )
    return acting


def _log_speculation(tracker: Tracker, row: dict[str, Any], step: int) -> None:
    """How the drafts fared, in TensorBoard."""
    names = ("accepted_per_draft", "planner_calls_per_step", "trunk_calls_per_step", "ms_per_decision")
    tracker.scalars({f"speculation/{name}": row[name] for name in names}, step)
    tracker.histogram("speculation/accepted_a_draft", row["accepted_histogram"], step)
    for k, chance in enumerate(row["acceptance_by_position"]):
        tracker.scalars({"speculation/acceptance_by_position": chance}, k + 1)


def _show(row: dict[str, Any], title: str, console: Console) -> None:
    console.print(table(title, COLUMNS, [cells(row)]))
    if "accepted_per_draft" in row:
        console.print(
            f"{row['accepted_per_draft']:.2f} drafted steps came true a draft; {row['trunk_calls_per_step']:.2f} trunk "
            f"and {row['planner_calls_per_step']:.2f} planner calls a step",
            highlight=False,
        )
