"""Baselines by name."""

from __future__ import annotations

from collections.abc import Callable

from nextlat_rl.models.transformer import TrunkConfig
from nextlat_rl.objectives.base import Baseline
from nextlat_rl.objectives.bst import BeliefState
from nextlat_rl.objectives.jtp import JointMultiToken
from nextlat_rl.objectives.mtp import MultiToken

BASELINES: dict[str, Callable[[TrunkConfig, int], Baseline]] = {
    "mtp": MultiToken,
    "jtp": JointMultiToken,
    "bst": lambda trunk, horizon: BeliefState(trunk),
}
