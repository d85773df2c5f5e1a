"""`python -m nextlat_rl.collect`."""

from dataclasses import fields

from nextlat_rl.console import make_console
from nextlat_rl.env_ids import env_options
from nextlat_rl.envs import resolve_env_id, set_timeout
from nextlat_rl.envs.config import CollectConfig
from nextlat_rl.jobs.collection import check_new, default_dataset_id, gather
from nextlat_rl.jobs.commands import CollectCommand
from nextlat_rl.jobs.compose import environment_settings


def collect(config: CollectCommand, typed: list[str]) -> None:
    """Gather a new data set; options that were not typed take what configs/env says for the environment."""
    console = make_console(quiet=False)
    set_timeout(config.env.timeout)
    env_id = resolve_env_id(config.env.id, config.env.kwargs)
    settings = collect_settings(config, typed)
    dataset_id = config.id or default_dataset_id(env_id, settings)
    check_new(dataset_id)
    gather(dataset_id, env_id, settings, console)
    console.print(f"Next: python -m nextlat_rl.train {env_options(env_id)} data={dataset_id}", highlight=False)


def collect_settings(config: CollectCommand, typed: list[str]) -> CollectConfig:
    """What was typed, over the environment's own settings, over the defaults."""
    names = {option.lstrip("+~").partition("=")[0].partition(".")[0] for option in typed}
    own = {k: v for k, v in environment_settings(config.env.id).get("collect", {}).items() if k not in names}
    given = {field.name: getattr(config, field.name) for field in fields(CollectConfig)}
    return CollectConfig(**{**given, **own})
