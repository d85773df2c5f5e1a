"""Data of the paper's tasks, in memory: Minari takes about 0.6 ms to write an episode; there are up to a million."""

from __future__ import annotations

import os

from rich.console import Console

from nextlat_rl import make_env
from nextlat_rl.console import bar
from nextlat_rl.data.store import Store, store_of_episodes
from nextlat_rl.envs.episodes import collect_episodes

_FEW = 50_000  # episodes that are gathered before other processes have started


def gathered(env_id: str, behaviour: str, episodes: int, console: Console) -> Store:
    """A store of fresh episodes of a token task, always the same for the same arguments."""
    with bar(console, f"Gathering {env_id}", episodes, "episodes") as shown:
        source = collect_episodes(
            env_id,
            behaviour,
            episodes=episodes,
            workers=min(os.cpu_count() or 1, 8) if episodes > _FEW else 1,
            on_progress=lambda steps, done, mean: shown.update(done),
        )
        env = make_env(env_id)
        return store_of_episodes(env.observation_space, env.action_space, source)
