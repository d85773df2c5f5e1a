"""The paper's experiments (arXiv 2511.05963): every objective on its tasks, the paper's figures beside ours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console

from benchmarks.options import Options
from benchmarks.rows import Row
from benchmarks.suite import Part, Suite
from benchmarks.suites.paper.tables import tables
from benchmarks.suites.paper.tasks import COST_MODELS, TASKS_BY_SIZE
from benchmarks.table import Table


class PaperSuite(Suite):
    """See the package."""

    name = "paper"
    about = "the NextLat paper's experiments: small (cpu), two of its own (gpu), all of its own (full)"
    sizes = ("cpu", "gpu", "full")
    distributed = True

    def parts(self, size: str = "cpu") -> list[Part]:
        """See `Suite`."""
        costs = [Part(name, apart=name != "step-cost", seeded=False) for name in COST_MODELS]
        return [Part(name, apart=task.apart) for name, task in TASKS_BY_SIZE[size].items()] + costs

    def measure(self, part: str, seed: int, options: Options, console: Console) -> Iterator[Row]:
        """See `Suite`."""
        from benchmarks.suites.paper.measured import cost, trained

        if part in COST_MODELS:
            yield from cost(part, seed, options, console)
            return
        for objective in TASKS_BY_SIZE[options.size][part].objectives:
            yield from trained(part, objective, seed, options, None, console)

    def measure_all(self, parts: Sequence[str], options: Options, console: Console) -> Iterator[Row]:
        """The cost alone, then every objective and seed, a core each. See `Suite`."""
        from benchmarks.suites.paper.measured import rows

        yield from rows(parts, options, console)

    def tables(self, rows: Sequence[Row]) -> list[Table]:
        """See `Suite`."""
        return tables(rows)

    def figures(self, rows: Sequence[Row], folder: Path) -> list[Path]:
        """See `Suite`."""
        from benchmarks.suites.paper.figures import draw

        return draw(rows, folder)


SUITE = PaperSuite()
