"""The snippets of docs/sb3.md run, one after the other, on a tiny model and little data."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from nextlat_rl.data.minari_io import load_dataset, write_dataset
from nextlat_rl.envs import make_env
from nextlat_rl.envs.episodes import collect_episodes
from nextlat_rl.world_model import WorldModel
from tests.helpers.tiny import cartpole_model

PAGE = Path(__file__).parents[3] / "docs" / "sb3.md"


def test_snippets_run(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    monkeypatch.setenv("NEXTLAT_CACHE", str(tmp_path / "stores"))
    monkeypatch.setattr(WorldModel, "load", lambda path: WorldModel(cartpole_model(), "CartPole-v1"))
    env = make_env("CartPole-v1")
    episodes = collect_episodes("CartPole-v1", "random", episodes=6, seed=0)
    spaces = (env.observation_space, env.action_space)
    write_dataset("cartpole/replay-v0", "CartPole-v1", *spaces, episodes, behaviour="random")
    snippets = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(snippets) == 11
    names: dict[str, Any] = {}
    for snippet in snippets:
        short = re.sub(r"learn\([1-9][\d_]*000", "learn(64", snippet)
        short = short.replace('PPO("MlpPolicy", "CartPole-v1"', 'PPO("MlpPolicy", "CartPole-v1", n_steps=64')
        exec(compile(short, str(PAGE), "exec"), names)
    assert names["agent"].replay_buffer.size() > 0
    assert load_dataset("mine/CartPole-v0").total_steps >= 64
