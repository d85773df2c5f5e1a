"""What a suite of benchmarks is: parts that are measured one by one, and tables and figures of the rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from benchmarks.options import Options
from benchmarks.rows import Row
from benchmarks.table import Table
from nextlat_rl.errors import UserError
from nextlat_rl.registry import Registry

SUITES = Registry("benchmarks.suites", "suite", "SUITE")


@dataclass(frozen=True)
class Part:
    """One part of a suite.

    Attributes:
        name: what `only=` calls it.
        apart: it is measured only when `only=` names it, because it takes long or needs something to be installed.
        seeded: it is measured once for every training seed; else only for the first.

    """

    name: str
    apart: bool = False
    seeded: bool = True


class Suite(ABC):
    """A suite: a module or package in `benchmarks/suites` that exports an instance called `SUITE`.

    Attributes:
        name: the module's name.
        about: a line for `--help`.
        sizes: what `size=` may be.
        distributed: torchrun may start it in several processes.

    """

    name: str
    about: str
    sizes: tuple[str, ...] = ("cpu",)
    distributed = False

    @abstractmethod
    def parts(self, size: str = "cpu") -> list[Part]:
        """What can be measured at a size."""

    @abstractmethod
    def measure(self, part: str, seed: int, options: Options, console: Console) -> Iterator[Row]:
        """Measure one part with one training seed; rows come as soon as they are known."""

    def measure_all(self, parts: Sequence[str], options: Options, console: Console) -> Iterator[Row]:
        """Measure several parts and all training seeds, one after the other.

        A suite that can measure side by side overrides this.
        """
        known = {part.name: part for part in self.parts(options.size)}
        for name in parts:
            for seed in options.training_seeds[: None if known[name].seeded else 1]:
                yield from self.measure(name, seed, options, console)

    @abstractmethod
    def tables(self, rows: Sequence[Row]) -> list[Table]:
        """Tables of the rows for the terminal; tables of README and docs stand in `benchmarks/tables`."""

    def figures(self, rows: Sequence[Row], folder: Path) -> list[Path]:
        """Draw figures of the rows into `folder`, which is there; the files."""
        return []


def chosen_parts(suite: Suite, options: Options) -> list[str]:
    """The parts to measure.

    Raises:
        UserError: an unknown size or part.

    """
    if options.size not in suite.sizes:
        raise UserError(
            f"size={options.size} is unknown to suite={suite.name}; choose one of: {', '.join(suite.sizes)}"
        )
    parts = suite.parts(options.size)
    names = [part.name for part in parts]
    if not options.only:
        return [part.name for part in parts if not part.apart]
    chosen = options.only.split("+")
    for name in chosen:
        if name not in names:
            raise UserError(f"only={name} is unknown; choose among {', '.join(names)}, joined with +")
    return chosen
