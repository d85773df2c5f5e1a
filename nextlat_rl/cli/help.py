"""`--help`: what a command is for, its options with values and meanings, and the named settings."""

import dataclasses
import inspect
import re
import sys
from collections.abc import Iterator
from typing import Any, get_type_hints

import hydra
from omegaconf import DictConfig, OmegaConf, open_dict
from rich.console import Console
from rich.table import Table
from rich.text import Text

from nextlat_rl.agents.planning.config import PLANNERS
from nextlat_rl.envs.mixture import BEHAVIOURS
from nextlat_rl.jobs.compose import CONFIGS


def print_help(command: str, cls: type) -> None:
    """Print it for the options typed in `sys.argv`.

    Hydra's own help looks every group up anew and copies the search path each time: four seconds of five.

    Args:
        command: name of the command and of its configuration.
        cls: its settings, whose docstring says what they mean.
    """
    typed = [argument for argument in sys.argv[1:] if "=" in argument]
    with hydra.initialize_config_module("nextlat_rl.configs", version_base="1.3"):
        config = hydra.compose(command, typed, return_hydra_config=True)
    header = config.hydra.help.header
    used = [choice for choice in config.hydra.runtime.choices if not choice.startswith("hydra/")]
    with open_dict(config):
        del config["hydra"]
    console = Console(highlight=False, markup=False)
    console.print(f"{header}\n\n== Options (name=value) ==\n")
    options = Table.grid(padding=(0, 2))
    options.add_column(no_wrap=True)
    for option, meaning in option_lines(cls, config):
        options.add_row(Text(option), Text(meaning))
    console.print(options)
    if used:
        console.print("\n== Named settings (group=option) ==\n")
    for group in sorted(used):
        console.print(f"{group}: {', '.join(_group_options(group))}")
    if "planner" in used:
        console.print("\nA planner's own options are shown with --help planner=<name>.")
    if "behaviour" in config or "collect" in config:
        behaviours = ", ".join(BEHAVIOURS.names())
        console.print(f"\nBehaviours that gather: {behaviours}, or a mixture such as expert:0.1+random:0.9")
    if "env" in config:
        console.print("\nEnvironments: env=<any Gymnasium id>; the named ones bring defaults of their own.")


def option_lines(cls: type, config: DictConfig, prefix: str = "") -> Iterator[tuple[str, str]]:
    """`name=value` and what it means, section by section; a section's own line has no value.

    Args:
        cls: the dataclass of the settings.
        config: their values.
        prefix: of the names, such as `trainer.`.
    """
    meanings, types = attribute_docs(cls), get_type_hints(cls)
    apart = False  # a plain option after a section
    for name in map(str, config):
        value, kind, meaning = config[name], types.get(name), meanings.get(name, "")
        section = isinstance(kind, type) and dataclasses.is_dataclass(kind)
        if section or apart:
            yield "", ""
        apart = section
        if isinstance(kind, type) and section:
            yield prefix + name, meaning
            chosen = OmegaConf.get_type(value) or kind  # of planners the one that was chosen
            yield from option_lines(kind if chosen.__name__ == kind.__name__ else chosen, value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}={_shown(value)}", meaning


def attribute_docs(cls: type) -> dict[str, str]:
    """What the `Attributes:` of a class's docstring, and of those it inherits from, say of each name."""
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        section = re.search(r"^Attributes:\n((?:    .*\n?|\n)*)", inspect.getdoc(base) or "", re.MULTILINE)
        for entry in re.findall(r"^    (\S.*(?:\n     .*)*)", section[1] if section else "", re.MULTILINE):
            names, _, text = entry.partition(": ")
            found |= dict.fromkeys(names.split(", "), " ".join(text.split()).replace("`", ""))
    return found


def _shown(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    return OmegaConf.to_yaml(value).strip() if OmegaConf.is_config(value) else str(value)


def _group_options(group: str) -> list[str]:
    if group == "planner":
        return ["none", "auto", *PLANNERS.names()]
    return sorted(path.stem for path in (CONFIGS / group).glob("*.yaml"))
