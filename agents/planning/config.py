"""Planners by name, and their settings from plain dictionaries; listing names does not import torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nextlat_rl.errors import UserError
from nextlat_rl.registry import Registry
from nextlat_rl.settings import from_dict, one_of

PLANNERS = Registry("nextlat_rl.agents.planning.planners", "planner", "PLANNER")


@dataclass
class PlannerConfig:
    """Which planner; a planner's own settings are a subclass, in the planner's file.

    Attributes:
        name: `none` follows the policy, `auto` is `lookahead` or `mppi` as the action space has it.
    """

    name: str = "none"

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> PlannerConfig:
        """See `planner_config`."""
        return planner_config(settings)


def planner_names() -> list[str]:
    """What the option `planner` takes."""
    return ["none", "auto", *PLANNERS.names()]


def planner_config(settings: Mapping[str, Any]) -> PlannerConfig:
    """The settings of the planner that `settings["name"]` names, such as `{"name": "lookahead", "width": 32}`.

    Raises:
        UserError: an unknown planner or setting, a value out of range, or settings of `none` or `auto`.
    """
    name = settings.get("name", "none")
    one_of("planner", name, planner_names())
    if name in ("none", "auto"):
        others = [key for key in settings if key != "name"]
        if others:
            raise UserError(
                f"planner.{others[0]} needs a planner by name, not planner={name}; choose one of: "
                + ", ".join(PLANNERS.names())
            )
        return PlannerConfig(name)
    config: PlannerConfig = from_dict(PLANNERS.load(name).config_class, settings, "planner.")
    return config
