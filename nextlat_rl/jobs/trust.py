"""The trust horizon of a checkpoint: measured, drawn, kept in it, and said in plain words."""

from pathlib import Path

from matplotlib.figure import Figure
from rich.console import Console

from nextlat_rl.console import make_console
from nextlat_rl.data.minari_io import load_datasets
from nextlat_rl.jobs.commands import DiagnoseCommand
from nextlat_rl.jobs.compose import compose
from nextlat_rl.jobs.data import open_store
from nextlat_rl.jobs.diagnosis import Diagnosis, measure_world
from nextlat_rl.jobs.evaluation import load_world_model
from nextlat_rl.jobs.run import TrainingRun
from nextlat_rl.metrics.trust_horizon import LARGEST_AUC, TrustTest
from nextlat_rl.notices import costs_only
from nextlat_rl.objectives.config import check_dynamics
from nextlat_rl.plotting.diagnosis import MapPair, diagnosis_figure
from nextlat_rl.results import provenance, write_json
from nextlat_rl.runtime import set_threads
from nextlat_rl.training import checkpoint
from nextlat_rl.training.tracking import Tracker
from nextlat_rl.world_model import WorldModel


def diagnose_world(run: TrainingRun | str | Path, episodes: int = 256, *, quiet: bool = False) -> Diagnosis:
    """Compare a trained model's dreams with real episodes; the same as `python -m nextlat_rl.diagnose`.

    Real episodes of the policy are played on seeds that neither data nor scores use, and as many are dreamt from the
    same first observations. The trust horizon goes into the checkpoint, the rest into the run folder: `diagnosis.png`,
    `diagnosis.json` and TensorBoard.

    Args:
        run: what `train_model` returned, whose world model then has the new trust horizon, or a run folder.
        episodes: how many of each kind; fewer than 32 measure no trust horizon.
        quiet: print nothing.

    Raises:
        UserError: no checkpoint, latent dynamics that were not trained, data that are gone.
    """
    folder = run.folder if isinstance(run, TrainingRun) else run
    config = compose("diagnose", DiagnoseCommand, [f"checkpoint={folder}", f"episodes={episodes}"])
    found = diagnose_checkpoint(config, make_console(config.json, silent=quiet))
    if isinstance(run, TrainingRun):
        run.world_model.trust_horizon = found.trust.trust_horizon
    return found


def diagnose_checkpoint(config: DiagnoseCommand, console: Console) -> Diagnosis:
    """Diagnose a checkpoint and keep what was found in its run folder.

    Raises:
        UserError: see `diagnose_world`.
    """
    set_threads(config.threads)
    saved = checkpoint.load_config(config.checkpoint)
    check_dynamics(checkpoint.trained_objective(saved).name, "diagnose", "")
    world_model = load_world_model(config)
    env_id, trained = world_model.env_id, saved["train_config"]
    store = open_store(load_datasets(config.data or saved["dataset_id"]), console)
    world_model.check_spaces(store.observation_space, store.action_space)
    found = measure_world(
        world_model,
        env_id,
        store,
        console,
        episodes=config.episodes,
        first_seed=config.first_seed,
        deterministic=trained["deterministic"] if config.deterministic is None else config.deterministic,
        seed=config.seed,
        split_seed=trained["seed"],
    )
    with costs_only("the trust horizon in the checkpoint"):
        checkpoint.annotate(config.checkpoint, trust_horizon=found.trust.trust_horizon)
    folder = checkpoint.run_folder(config.checkpoint)
    origin = provenance(seed=config.seed, device=str(world_model.device)).as_dict()
    with costs_only(f"{folder}/diagnosis.json"):
        write_json(folder / "diagnosis.json", [found.row() | {"env": env_id} | origin])
    tracker = Tracker(folder, part="diagnosis")  # a second diagnosis replaces the points of the first
    log_diagnosis(found, tracker, saved["step"])
    tracker.close()
    return found


def log_diagnosis(found: Diagnosis, tracker: Tracker, step: int) -> None:
    """The numbers and the picture to TensorBoard, the picture also as `diagnosis.png` in the tracker's folder."""
    tracker.scalars(found.scalars(), step)
    with costs_only("the picture of the diagnosis"):
        tracker.figure("diagnosis", picture(found), step)


def picture(found: Diagnosis) -> Figure:
    """Everything that was found on one page."""
    maps = None
    if found.maps is not None:
        maps = [MapPair(m.objects[found.shown], m.path[found.shown], m.conflicts[found.shown]) for m in found.maps]
    return diagnosis_figure(
        found.trust, found.bits, found.events, found.existence, found.returns, maps, trust_line(found.trust)
    )


def warn_of_distrust(world_model: WorldModel, planner: str, console: Console) -> None:
    """Say so where `planner` (a name, or `none`) is to plan with dreams that are wrong from the first step on."""
    if planner != "none" and world_model.trust_horizon == 0:
        console.print(
            f"Warning: this world model's trust horizon is 0 steps: planner={planner} looks one step ahead, and even "
            "that step differs from reality; see python -m nextlat_rl.diagnose",
            highlight=False,
        )


def trust_line(trust: TrustTest) -> str:
    """The trust horizon in words."""
    steps = trust.trust_horizon
    if steps is None:
        return "Trust horizon: not measured, there are fewer than 32 pairs of an episode and a dream."
    if steps == 0:
        return (
            f"Trust horizon: 0 steps. Even the first imagined step can be told from a real one (AUC "
            f"{trust.tests[0].auc:.2f}, above {LARGEST_AUC:g}); planners and improvement look one step ahead."
        )
    longest = ", the longest tested" if trust.unlimited else ""
    return (
        f"Trust horizon: {steps} step{'s' * (steps > 1)}{longest}. Dreams of up to {steps} step{'s' * (steps > 1)} "
        f"cannot be told from real ones (AUC <= {LARGEST_AUC:g}); planners and improvement look no further."
    )
