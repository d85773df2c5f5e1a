"""From option texts to settings: Hydra merges the files of configs/ with what was typed, dataclasses validate.

Hydra's schema of a command is derived from its settings dataclass, so a setting is declared once. Literal types, which
Hydra does not know, become texts there and are checked by the dataclass. The schema of a planner is loaded only if the
planner is named, because it stands in the planner's own file, which loads torch.
"""

import dataclasses
import difflib
import re
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar, get_origin, get_type_hints

import hydra
from hydra.core.config_store import ConfigStore
from hydra.errors import HydraException, MissingConfigException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from nextlat_rl.agents.planning.config import PLANNERS, PlannerConfig
from nextlat_rl.errors import UserError
from nextlat_rl.renamed import RENAMED, RENAMED_VALUES
from nextlat_rl.settings import from_dict

Settings = TypeVar("Settings")
CONFIGS = Path(__file__).parents[1] / "configs"
_SCHEMAS: dict[type[Any], type[Any]] = {}
_FLAGS = {"-h", "--help", "-m", "--multirun", "--hydra-help", "--version", "--resolve"}
_FLAGS_WITH_VALUE = {
    *("-c", "--cfg", "-i", "--info", "-p", "--package", "-cd", "--config-dir", "-cn", "--config-name"),
    *("-cp", "--config-path", "--experimental-rerun", "-sc", "--shell-completion"),
}
HYDRA_ERRORS = (HydraException, OmegaConfBaseException)


def compose(command: str, cls: type[Settings], options: Sequence[str]) -> Settings:
    """Settings of a command from option texts such as `trainer.steps=300`.

    Args:
        command: names the file in configs/.
        cls: the command's settings dataclass.
        options: as they would be typed.

    Raises:
        UserError: an unknown option or name (the nearest ones are given), or a value that is refused.
    """
    options = prepare(command, cls, options)
    try:
        with hydra.initialize_config_module("nextlat_rl.configs", version_base="1.3"):
            return to_settings(hydra.compose(command, list(options)), cls)
    except HYDRA_ERRORS as error:
        raise UserError(explain(error, cls)) from None


def prepare(command: str, cls: type[Any], options: Sequence[str]) -> list[str]:
    """Store what Hydra needs to know to read `options`, and return them in the form that it reads.

    Raises:
        UserError: an option or a value that has another name now, or a planner that does not exist.
    """
    for option in options:
        _refuse_old_name(option)
    _check_written(options)
    ConfigStore.instance().store(name=f"{command}_schema", node=schema(cls))
    names = [name for option in options if option.startswith("env=") for name in option[4:].split(",")]
    has_files = "env: " in (CONFIGS / f"{command}.yaml").read_text()
    if has_files:
        for name in names:
            _store_environment(name)
    planners = [p for option in options if option.startswith("planner=") for p in option[8:].split(",")]
    planners += [str(environment_settings(name).get("planner", "none")) for name in names if has_files]
    for planner in {"none", "auto", *planners}:
        node = {"name": planner} if planner in ("none", "auto") else schema(PLANNERS.load(planner).config_class)
        ConfigStore.instance().store(group="planner", name=planner, node=node)
    renamed = [option if has_files else re.sub("^env=", "env.id=", option) for option in options]
    # Free names, which Hydra would want to be added with a plus.
    return [re.sub(r"^\+*(env\.kwargs\.|(collect\.)?sb3\.)", r"++\1", option) for option in renamed]


def _refuse_old_name(option: str) -> None:
    name, _, value = option.lstrip("+~").partition("=")
    now = RENAMED.get(name, name)
    new = RENAMED_VALUES.get(now, {}).get(value, value)
    if (now, new) != (name, value):
        raise UserError(f"option '{option}' is now called '{now}={new}'")


def _check_written(options: Sequence[str]) -> None:
    """Require `name=value` of everything that is not one of Hydra's own flags or a flag's value."""
    for before, option in zip(["", *options], options, strict=False):
        if option.startswith("-"):
            if option.partition("=")[0] not in _FLAGS | _FLAGS_WITH_VALUE:
                raise UserError(f"there is no '{option}'; options are written name=value, such as env=CartPole-v1")
        elif option.startswith("~"):
            raise UserError(f"'{option}': options are set, not deleted; write {option[1:].partition('=')[0]}=<value>")
        elif "=" not in option and before not in _FLAGS_WITH_VALUE:
            raise UserError(f"'{option}' is not name=value; write it like env=CartPole-v1")


def schema(cls: type[Any]) -> type[Any]:
    """`cls` as a dataclass that Hydra can read: Literals become texts, nested dataclasses likewise."""
    if cls not in _SCHEMAS:
        _SCHEMAS[cls] = _schema(cls)
    return _SCHEMAS[cls]


def _schema(cls: type[Any]) -> type[Any]:
    fields = []
    hints = get_type_hints(cls)
    for field in dataclasses.fields(cls):
        hint: Any = str if get_origin(hints[field.name]) is Literal else hints[field.name]
        factory: Any = field.default_factory
        if dataclasses.is_dataclass(hint):
            hint, factory = schema(hint), partial(_as_schema, factory)  # type: ignore[arg-type]
        if factory is dataclasses.MISSING:
            fields.append((field.name, hint, dataclasses.field(default=field.default)))
        else:
            fields.append((field.name, hint, dataclasses.field(default_factory=factory)))
    base = (schema(PlannerConfig),) if issubclass(cls, PlannerConfig) and cls is not PlannerConfig else ()
    return dataclasses.make_dataclass(cls.__name__, fields, bases=base, namespace={"__doc__": cls.__doc__})


def _as_schema(factory: Callable[[], Any]) -> Any:
    """What `factory` makes, as an instance of its class's schema."""
    default = factory()
    return schema(type(default))(**dataclasses.asdict(default))


def to_settings(config: DictConfig, cls: type[Settings]) -> Settings:
    """The validated settings dataclass of a composed config."""
    values = OmegaConf.to_container(config, resolve=True)
    assert isinstance(values, dict)
    return from_dict(cls, {str(name): value for name, value in values.items()})


def environment_settings(name: str) -> dict[str, Any]:
    """What configs/env says for the environment `name`: sections of settings, and `planner` if it plans by default.

    An id without a file of its own takes the file of its newest version if it names none, the file that bears its name
    without its version, or its namespace's (`ALE.yaml` for `ALE/Pong-v5`); without any of these nothing is said.
    """
    stem = _environment_file(name)
    if stem is None:
        return {}
    values = OmegaConf.to_container(OmegaConf.load(CONFIGS / "env" / f"{stem}.yaml"))
    assert isinstance(values, dict)
    settings = {str(key): value for key, value in values.items()}
    for entry in settings.pop("defaults", []):
        settings["planner"] = entry["override /planner"]
    return settings


def _environment_file(name: str) -> str | None:
    newest = sorted(path.stem for path in (CONFIGS / "env").glob("*-v*.yaml") if path.stem.rpartition("-v")[0] == name)
    stems = (name, *newest[::-1], re.sub(r"-v\d+$", "", name), name.partition("/")[0])
    return next((stem for stem in stems if stem and (CONFIGS / "env" / f"{stem}.yaml").is_file()), None)


def _store_environment(name: str) -> None:
    """Make `env=name` an option of Hydra's where it has no file of its own."""
    stem = _environment_file(name)
    group, _, leaf = f"env/{name}".rpartition("/")
    if stem == name or not leaf:
        return
    defaults = [f"/env/{stem}"] if stem else []
    node = {"defaults": [*defaults, "_self_"], "env": {"id": name}}
    ConfigStore.instance().store(group=group, name=leaf, node=node, package="_global_")


def explain(error: Exception, cls: type[Any]) -> str:
    """One line of a Hydra error, with the nearest names where an option is misspelt."""
    cause: BaseException = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    key = re.search(r"Key '([^']+)' (?:is not in struct|not in)", f"{error} {cause}")
    typed = re.search(r"Could not override '([^']+)'", str(error))
    if key:
        option = typed.group(1) if typed else key.group(1)
        if option.startswith("planner."):
            return f"unknown option '{option}' of this planner; name the planner that has it: {_planners_with(option)}"
        names = list(_option_names(schema(cls)))
        leaf = option.rsplit(".", 1)[-1]
        close = difflib.get_close_matches(option, names, n=3) or [
            name for name in names if difflib.get_close_matches(leaf, [name.rsplit(".", 1)[-1]], cutoff=0.75)
        ]
        hint = f"did you mean {', '.join(close[:3])}?" if close else "see --help for all of them"
        return f"unknown option '{option}'; {hint}"
    if isinstance(error, MissingConfigException) and error.options:
        return f"there is no '{error.missing_cfg_file}'; choose one of: {', '.join(error.options)}"
    message = str(error).split("\n\n")[0].split("\nSet the")[0]
    detail = str(cause).splitlines()[0] if str(cause) else ""
    return message if detail in message else f"{message}: {detail}"


def _planners_with(option: str) -> str:
    field = option.partition(".")[2]
    found = [
        f"planner={name}"
        for name in PLANNERS.names()
        if field in {f.name for f in dataclasses.fields(PLANNERS.load(name).config_class)}
    ]
    return ", ".join(found or [f"planner={name}" for name in PLANNERS.names()])


def _option_names(cls: type[Any], prefix: str = "") -> Iterable[str]:
    for field in dataclasses.fields(cls):
        yield prefix + field.name
        if dataclasses.is_dataclass(field.type):
            yield from _option_names(field.type, f"{prefix}{field.name}.")  # type: ignore[arg-type]
