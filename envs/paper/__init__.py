"""The tasks of the NextLat paper (arXiv 2511.05963) as Gymnasium environments; importing this registers them."""

from typing import Any

import gymnasium as gym

from nextlat_rl.envs.paper.countdown import CountdownEnv
from nextlat_rl.envs.paper.groups import GROUPS
from nextlat_rl.envs.paper.path_star import PathStarEnv
from nextlat_rl.envs.paper.street_map import StreetMapEnv
from nextlat_rl.envs.paper.text import TextEnv
from nextlat_rl.envs.paper.token_task import TokenTask
from nextlat_rl.envs.paper.word_problem import WordProblemEnv

__all__ = ["CountdownEnv", "PathStarEnv", "StreetMapEnv", "TextEnv", "TokenTask", "WordProblemEnv"]

_LENGTHS = (12, 24, 36)
# Words to train on, of up to so many elements: one an episode, or eight whose product runs on through the episode.
_WORDS: dict[str, tuple[str, int, dict[str, float]]] = {
    "Words-A5-12": ("A5", 12, {}),
    "Running-S3-2": ("S3", 2, {"problems": 8, "asked": 0.5}),
}
_TIMES = (1, 2, 3, 8)  # one word of exactly this many times the length, to score
_STARS = ((2, 5), (2, 10), (3, 4), (5, 5))
_COUNTDOWNS = ((3, 20), (4, 100))
# Manhattan has 4,580 crossings and 9,846 streets; so has, nearly, this square of one-way streets.
_CITIES = {"5x5": (5, 5, 20), "10x10": (10, 10, 40), "Manhattan": (68, 68, 100)}
_HELD_OUT = (("", False), ("-HeldOut", True))

# Without a size in the name: sizes are given to gymnasium.make.
for _module, _class in (
    ("word_problem", "WordProblem"),
    ("path_star", "PathStar"),
    ("countdown", "Countdown"),
    ("street_map", "StreetMap"),
    ("text", "Text"),
):
    gym.register(
        f"NextLat/{_class}-v0",
        entry_point=f"nextlat_rl.envs.paper.{_module}:{_class}Env",
        disable_env_checker=True,
    )
for _group in GROUPS:
    for _length in _LENGTHS:
        # Eight words of up to 12 elements to train on; one of exactly 24 or 36 to see what becomes of longer words.
        _train = _length == _LENGTHS[0]
        _words = {"shortest": 1, "problems": 8} if _train else {"shortest": _length, "problems": 1}
        gym.register(
            f"NextLat/WordProblem-{_group}-{_length}-v0",
            entry_point="nextlat_rl.envs.paper.word_problem:WordProblemEnv",
            kwargs={"group": _group, "longest": _length, **_words},
            disable_env_checker=True,
        )
for _training, (_group, _longest, _more) in _WORDS.items():
    _variants: dict[str, dict[str, Any]] = {_training: {"shortest": 1, "longest": _longest, **_more}}
    _variants |= {f"Word-{_group}-{n}": {"shortest": n, "longest": n} for n in (t * _longest for t in _TIMES)}
    for _name, _sizes in _variants.items():
        gym.register(
            f"NextLat/{_name}-v0",
            entry_point="nextlat_rl.envs.paper.word_problem:WordProblemEnv",
            kwargs={"group": _group, **_sizes},
            disable_env_checker=True,
        )
for _degree, _arm in _STARS:
    gym.register(
        f"NextLat/PathStar-{_degree}x{_arm}-v0",
        entry_point="nextlat_rl.envs.paper.path_star:PathStarEnv",
        kwargs={"degree": _degree, "arm": _arm},
        disable_env_checker=True,
    )
for _degree, _arm in ((2, 4), (2, 5), (3, 4)):  # few names, so that a small model soon knows them
    gym.register(
        f"NextLat/PathStar-{_degree}x{_arm}-of-10-v0",
        entry_point="nextlat_rl.envs.paper.path_star:PathStarEnv",
        kwargs={"degree": _degree, "arm": _arm, "nodes": 10},
        disable_env_checker=True,
    )
for _numbers, _largest in _COUNTDOWNS:
    for _suffix, _held_out in _HELD_OUT:
        gym.register(
            f"NextLat/Countdown-{_numbers}x{_largest}{_suffix}-v0",
            entry_point="nextlat_rl.envs.paper.countdown:CountdownEnv",
            kwargs={"numbers": _numbers, "largest": _largest, "held_out": _held_out},
            disable_env_checker=True,
        )
for _name, (_rows, _columns, _longest) in _CITIES.items():
    for _suffix, _held_out in _HELD_OUT:
        gym.register(
            f"NextLat/StreetMap-{_name}{_suffix}-v0",
            entry_point="nextlat_rl.envs.paper.street_map:StreetMapEnv",
            kwargs={"rows": _rows, "columns": _columns, "longest": _longest, "held_out": _held_out},
            disable_env_checker=True,
        )
gym.register(
    "NextLat/Text-HeldOut-v0",
    entry_point="nextlat_rl.envs.paper.text:TextEnv",
    kwargs={"held_out": True},
    disable_env_checker=True,
)
