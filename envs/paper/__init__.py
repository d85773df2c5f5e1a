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


def _register(name: str, module: str, **kwargs: Any) -> None:
    entry_point = f"nextlat_rl.envs.paper.{module}:{module.title().replace('_', '')}Env"
    gym.register(f"NextLat/{name}-v0", entry_point=entry_point, kwargs=kwargs, disable_env_checker=True)


def _register_words() -> None:
    """Words to train on, of up to so many elements, and single words of an exact length to score."""
    for group in GROUPS:
        _register(f"WordProblem-{group}-12", "word_problem", group=group, longest=12, shortest=1, problems=8)
        for length in (24, 36):
            _register(f"WordProblem-{group}-{length}", "word_problem", group=group, longest=length, shortest=length)
    _register("Words-A5-12", "word_problem", group="A5", longest=12, shortest=1)
    # Eight words an episode whose product runs on.
    _register("Running-S3-2", "word_problem", group="S3", longest=2, shortest=1, problems=8, asked=0.5)
    for group, longest in (("A5", 12), ("S3", 2)):
        for length in (longest, 2 * longest, 3 * longest, 8 * longest):
            _register(f"Word-{group}-{length}", "word_problem", group=group, longest=length, shortest=length)


def _register_held_out(name: str, module: str, **kwargs: Any) -> None:
    """The task, and its variant with the problems that are kept out of training."""
    for suffix, held_out in (("", False), ("-HeldOut", True)):
        _register(f"{name}{suffix}", module, held_out=held_out, **kwargs)


for _module in ("word_problem", "path_star", "countdown", "street_map", "text"):
    # Without a size in the name: sizes are arguments of gymnasium.make.
    _register(_module.title().replace("_", ""), _module)
_register_words()
for _degree, _arm in ((2, 5), (2, 10), (3, 4), (5, 5)):
    _register(f"PathStar-{_degree}x{_arm}", "path_star", degree=_degree, arm=_arm)
for _degree, _arm in ((2, 4), (2, 5), (3, 4)):  # ten node names, which a small model learns quickly
    _register(f"PathStar-{_degree}x{_arm}-of-10", "path_star", degree=_degree, arm=_arm, nodes=10)
for _numbers, _largest in ((3, 20), (4, 100)):
    _register_held_out(f"Countdown-{_numbers}x{_largest}", "countdown", numbers=_numbers, largest=_largest)
# Manhattan has 4,580 crossings and 9,846 streets, and so has, nearly, a square of 68 x 68 one-way streets.
for _name, _side, _longest in (("5x5", 5, 20), ("10x10", 10, 40), ("Manhattan", 68, 100)):
    _register_held_out(f"StreetMap-{_name}", "street_map", rows=_side, columns=_side, longest=_longest)
_register("Text-HeldOut", "text", held_out=True)
