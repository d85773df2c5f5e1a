"""The options of `python -m benchmarks`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from nextlat_rl.errors import UserError
from nextlat_rl.settings import at_least, from_dict

ACTIONS = ("measure", "show", "render")


@dataclass(frozen=True)
class Options:
    """What to measure and where the rows go.

    Attributes:
        suite: name of the suite.
        only: parts, joined with `+`; empty takes all but those that are measured apart.
        seeds: how many training seeds.
        first_seed: the first of them.
        models: of suite=worlds, joined with `+`; empty takes all.
        size: of suites with several sizes.
        quick: a smoke test of the suite itself, not a measurement.
        keep: rows go to `benchmarks/results` instead of `runs/benchmarks`; needs a checkout without changes.
        runs: folder of training runs and of rows that are not kept.
        json: print the rows and nothing else.
        d3rlpy: another Python in whose environment d3rlpy is installed, for the rivals that need it.
        sheeprl: another Python in whose environment sheeprl is installed, for DreamerV3's world model.

    """

    suite: str = ""
    only: str = ""
    seeds: int = 1
    first_seed: int = 0
    models: str = ""
    size: str = "cpu"
    quick: bool = False
    keep: bool = False
    runs: str = "runs"
    json: bool = False
    d3rlpy: str = ""
    sheeprl: str = ""

    def __post_init__(self) -> None:
        at_least("", self, 1, "seeds")
        at_least("", self, 0, "first_seed")
        if self.keep and self.quick:
            raise UserError("keep=true keeps measurements, and quick=true does not measure; leave one of them out")

    @property
    def training_seeds(self) -> range:
        """The training seeds to measure."""
        return range(self.first_seed, self.first_seed + self.seeds)


def parse(arguments: Sequence[str]) -> tuple[str, Options]:
    """The action and the options of a command line.

    Raises:
        UserError: an unknown action or option, or a value of the wrong type.

    """
    words = [argument for argument in arguments if "=" not in argument]
    if len(words) > 1 or (words and words[0] not in ACTIONS):
        raise UserError(f"'{words[-1]}' is unknown; an action is one of {', '.join(ACTIONS)}, an option is name=value")
    pairs = dict(argument.split("=", 1) for argument in arguments if "=" in argument)
    kinds = {item.name: str(item.type) for item in fields(Options)}
    options = from_dict(Options, {name: _value(name, text, kinds.get(name, "str")) for name, text in pairs.items()})
    return (words or ["measure"])[0], options


def _value(name: str, text: str, kind: str) -> Any:
    """An option's value from what was typed."""
    if kind == "bool":
        if text.lower() not in ("true", "false"):
            raise UserError(f"{name}={text} must be true or false")
        return text.lower() == "true"
    if kind == "int":
        try:
            return int(text)
        except ValueError:
            raise UserError(f"{name}={text} must be a whole number") from None
    return text
