"""Opening the training data, with a progress bar."""

from minari import MinariDataset
from rich.console import Console

from nextlat_rl.console import bar
from nextlat_rl.data.store import Store, build_store


def open_store(datasets: list[MinariDataset], console: Console) -> Store:
    """The flat store of data sets, with a progress bar if it must be built."""
    episodes = sum(dataset.total_episodes for dataset in datasets)
    with bar(console, "Flattening the data set", episodes, "episodes") as shown:
        return build_store(datasets, on_progress=lambda done, total: shown.update(done, total=total))
