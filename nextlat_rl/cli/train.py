"""`python -m nextlat_rl.train`."""

from nextlat_rl.console import make_console, print_result
from nextlat_rl.jobs.config import AUTO, TrainConfig
from nextlat_rl.jobs.resume import resumed_config
from nextlat_rl.jobs.training_run import train as run_job
from nextlat_rl.training.distributed import init


def train(config: TrainConfig, typed: list[str]) -> None:
    """Run the main job, or with `resume=` go on with one whose settings the typed options change.

    Under torchrun this is the main process; the others follow, see `nextlat_rl.jobs.ranks`.
    """
    if config.resume not in (None, AUTO):
        config = resumed_config(config.resume, typed)
    init()
    rows = run_job(config, make_console(config.json), typed)
    if config.json:
        print_result(rows)
