"""Environments named after a file in the working directory, such as `NextLat/Text-novel` for `novel.txt`."""

import re
from pathlib import Path

import gymnasium as gym

_NAME = re.compile(r"NextLat/(StreetMap|Text)-(\w[\w-]*?)(-HeldOut)?(?:-v0)?")
_KINDS = {
    "StreetMap": ("nextlat_rl.envs.paper.street_map:StreetMapEnv", "graph", (".graphml", ".edges")),
    "Text": ("nextlat_rl.envs.paper.text:TextEnv", "file", (".txt",)),
}


def files_for(name: str) -> list[str]:
    """The files that the environment `name` may be read from; none if it is not of this kind."""
    match = _NAME.fullmatch(name)
    return [match[2] + ending for ending in _KINDS[match[1]][2]] if match else []


def register_file(name: str) -> None:
    """Register `NextLat/StreetMap-<stem>` or `NextLat/Text-<stem>`, also with `-HeldOut`, if the file exists."""
    match = _NAME.fullmatch(name)
    if match is None:
        return
    env_id = f"NextLat/{match[1]}-{match[2]}{match[3] or ''}-v0"
    entry_point, argument, _ = _KINDS[match[1]]
    known = gym.registry.get(env_id)
    if known is not None and argument not in known.kwargs:
        return  # a task with a size in its name
    for file in map(Path, files_for(name)):
        if file.is_file():
            gym.registry.pop(env_id, None)  # from another working directory
            kwargs = {argument: str(file.resolve()), "held_out": match[3] is not None}
            gym.register(env_id, entry_point=entry_point, kwargs=kwargs, disable_env_checker=True)
            return
