"""Gymnasium environments by id, and the behaviours that gather data in them.

Names are imported when they are first used, so that reading the settings loads neither gymnasium nor torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nextlat_rl.envs.factory import make_env, time_limit
    from nextlat_rl.envs.registry import resolve_env_id, saved_env_id
    from nextlat_rl.envs.timeout import set_timeout

__all__ = ["make_env", "resolve_env_id", "saved_env_id", "set_timeout", "time_limit"]

_MODULES = {"make_env": "factory", "resolve_env_id": "registry", "saved_env_id": "registry", "time_limit": "factory"}
_MODULES["set_timeout"] = "timeout"


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
