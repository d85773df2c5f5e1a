"""`python -m nextlat_rl.draft`."""

import time

from rich.console import Console

from nextlat_rl.console import bar, make_console, print_result, table
from nextlat_rl.data.minari_io import load_datasets
from nextlat_rl.drafting.exactness import check_drafted
from nextlat_rl.drafting.fit import train_drafter
from nextlat_rl.drafting.length import FixedLength, draft_length
from nextlat_rl.drafting.make import make_drafter, make_net, needs_training
from nextlat_rl.drafting.net import DrafterNet
from nextlat_rl.drafting.rollout import SpeculativeRollout
from nextlat_rl.drafting.weights import load_net, save_net
from nextlat_rl.jobs.commands import DraftCommand
from nextlat_rl.jobs.data import open_store
from nextlat_rl.jobs.draft_race import ALONE, COLUMNS, cells, race
from nextlat_rl.jobs.evaluation import load_world_model
from nextlat_rl.jobs.suitability import check_folder
from nextlat_rl.notices import costs_only
from nextlat_rl.results import provenance, write_json
from nextlat_rl.runtime import set_threads
from nextlat_rl.training import checkpoint
from nextlat_rl.training.build import drafter_batches
from nextlat_rl.training.tracking import new_result
from nextlat_rl.world_model import WorldModel

_LONGEST = 16  # of an adaptive draft by the latent dynamics, which have no end; the rivals are built for 8


def draft(config: DraftCommand) -> None:
    """Train the drafter if it needs training, race it against drawing step by step, and keep the rows."""
    console = make_console(config.json)
    set_threads(config.threads)
    folder, written = checkpoint.run_folder(config.checkpoint), None
    check_folder(folder, "checkpoint=")
    world_model = load_world_model(config)
    check_drafted(config.drafter, world_model.model)
    net = _net(world_model, config, console) if needs_training(config.drafter) else None
    longest = _LONGEST if config.drafter == "nextlat" else 8
    drafter = make_drafter(world_model, config.drafter, net)
    length = draft_length(config.draft, longest)
    drawn = {
        ALONE: SpeculativeRollout(world_model, None, FixedLength(0)),
        f"{config.drafter} {config.draft}": SpeculativeRollout(world_model, drafter, length),
    }
    with bar(console, "Racing", config.rounds, "rounds") as shown:
        rows = race(world_model, drawn, config.horizon, config.n_envs, config.rounds, shown.update)
    source = provenance(seed=config.seed, device=str(world_model.device))
    rows = [row | source.as_dict() for row in rows]
    with (
        costs_only(f"the file of this race in {folder}"),
        new_result(folder, "draft", config.drafter) as (tracker, file),
    ):
        tracker.scalars({"speculation/speed_up": rows[-1]["speed_up"]}, 0)
        for k, chance in enumerate(rows[-1]["acceptance_by_position"]):
            tracker.scalars({"speculation/acceptance_by_position": chance}, k + 1)
        tracker.flush()
        write_json(file, rows)
        written = file
    if config.json:
        print_result(rows)
        return
    title = f"{world_model.env_id}: trajectories of up to {config.horizon} steps, {config.n_envs} side by side"
    console.print(table(title, COLUMNS, [cells(row) for row in rows]))
    if written is not None:
        console.print(f"Written to {written}", highlight=False)


def _net(world_model: WorldModel, config: DraftCommand, console: Console) -> DrafterNet:
    """The drafter's weights: trained and saved, or with `steps=0` those that were saved before."""
    if config.steps == 0:
        return load_net(world_model, config.drafter, config.checkpoint)
    saved = checkpoint.load_config(config.checkpoint)
    store = open_store(load_datasets(config.data or saved["dataset_id"]), console)
    batches = drafter_batches(store, saved["train_config"]["trainer"], saved["model"]["context"], config.seed)
    net = make_net(world_model, config.drafter)
    started = time.monotonic()
    with bar(console, f"Training {config.drafter}", config.steps, "steps") as shown:

        def on_step(done: int, losses: dict[str, float]) -> None:
            shown.update(done, "  ".join(f"{name} {value:.3g}" for name, value in losses.items()))

        objective = checkpoint.trained_objective(saved)
        train_drafter(net, world_model, batches, objective, config.steps, config.learning_rate, config.seed, on_step)
    record = {"steps": config.steps, "seconds": time.monotonic() - started, "learning_rate": config.learning_rate}
    folder = save_net(config.drafter, net, config.checkpoint, record)
    console.print(f"The drafter lies in {folder}", highlight=False)
    return net
