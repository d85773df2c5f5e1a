"""MiniGrid missions as `gymnasium.spaces.Text`: data sets cannot store a MissionSpace."""

import contextlib
import io
import string
import sys
from typing import Any

import gymnasium as gym
from gymnasium import spaces

MISSION_CHARACTERS = frozenset(string.ascii_letters + string.digits + string.punctuation + " ")
MISSION_LENGTH = 128
CHAINED_MISSION_LENGTH = 256  # levels that join instructions with "and", "then": 166 characters seen


class TextMission(gym.Wrapper, gym.utils.RecordConstructorArgs):
    """Declare every top-level MissionSpace of a Dict observation as Text; observations pass through unchanged."""

    def __init__(self, env: gym.Env) -> None:
        gym.utils.RecordConstructorArgs.__init__(self)
        gym.Wrapper.__init__(self, env)
        assert isinstance(env.observation_space, spaces.Dict)
        chained = set(getattr(env.unwrapped, "instr_kinds", ())) - {"action"}
        text = spaces.Text(
            CHAINED_MISSION_LENGTH if chained else MISSION_LENGTH, min_length=0, charset=MISSION_CHARACTERS
        )
        self.observation_space = spaces.Dict(
            {name: text if _is_mission(space) else space for name, space in env.observation_space.items()}
        )

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Reset without the "Sampling rejected" lines that BabyAI prints while it looks for a solvable level."""
        with contextlib.redirect_stdout(io.StringIO()):
            return self.env.reset(seed=seed, options=options)


def has_mission(space: spaces.Space) -> bool:
    """Whether `space` is a Dict with a MissionSpace at its top level."""
    return isinstance(space, spaces.Dict) and any(_is_mission(part) for part in space.values())


def _is_mission(space: spaces.Space) -> bool:
    # No import: an environment with a MissionSpace has already loaded the module.
    module = sys.modules.get("minigrid.core.mission")
    return module is not None and isinstance(space, module.MissionSpace)
