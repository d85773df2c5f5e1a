"""The worlds: Gymnasium environments by id, and the behaviours that gather data in them.

Importing this package loads gymnasium only; minigrid and ale_py are imported when an environment needs them.
"""

from nextlat_rl.envs.factory import make_env, time_limit
from nextlat_rl.envs.registry import resolve_env_id

__all__ = ["make_env", "resolve_env_id", "time_limit"]
