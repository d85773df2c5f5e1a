"""Baselines by name."""

from __future__ import annotations

from collections.abc import Callable

from nextlat_rl.models.baselines.baseline import Baseline
from nextlat_rl.models.baselines.bst import BeliefState
from nextlat_rl.models.baselines.jtp import JointMultiToken
from nextlat_rl.models.baselines.mtp import MultiToken
from nextlat_rl.models.transformer import TrunkConfig

BASELINES: dict[str, Callable[[TrunkConfig, int], Baseline]] = {
    "mtp": MultiToken,
    "jtp": JointMultiToken,
    "bst": lambda trunk, horizon: BeliefState(trunk),
}
