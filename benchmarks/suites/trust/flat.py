"""Memory over many steps of training and acting: it does not grow."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from nextlat_rl.agents.agent import Agent
from nextlat_rl.data.batches import Batcher
from nextlat_rl.data.store import store_of_episodes
from nextlat_rl.envs import make_env
from nextlat_rl.envs.episodes import collect_episodes
from nextlat_rl.models.config import ModelConfig
from nextlat_rl.models.nextlat import NextLat
from nextlat_rl.objectives.config import ObjectiveConfig
from nextlat_rl.training.build import build_model
from nextlat_rl.training.config import TrainerConfig
from nextlat_rl.training.trainer import Trainer
from nextlat_rl.world_model import WorldModel

_ENV = "CartPole-v1"
MOST = 0.01  # growth


def grown(steps: int) -> Iterator[tuple[str, dict[str, float]]]:
    """Memory after a tenth of so many steps and after all, for training, for its last phase and for acting."""
    env = make_env(_ENV)
    episodes = collect_episodes(_ENV, "random", episodes=20, seed=0)
    store = store_of_episodes(env.observation_space, env.action_space, episodes)
    objective = ObjectiveConfig(horizon=2, min_rollouts=8)
    model = build_model(ModelConfig(1, 2, 8, 8, 8, answer="product"), objective, store, 8)
    settings = TrainerConfig(steps=steps, dynamics_finetune_steps=steps)
    trainer = Trainer(model, Batcher(store, 2, 8, seed=0), objective, settings, seed=0)
    yield "training", _measured(steps, lambda: trainer.train_step())
    yield "the last phase", _measured(steps, lambda: trainer.train_step())
    yield "acting", _measured(steps, _acting(model))


def _acting(model: NextLat) -> Callable[[], object]:
    """A step of an agent in its environment."""
    env, agent = make_env(_ENV), Agent(WorldModel(model, _ENV, 0.99, "nextlat"))
    episode, reward, first = 0, 0.0, True
    observation = env.reset(seed=0)[0]

    def step() -> None:
        nonlocal episode, reward, first, observation
        (action,) = agent.act([observation], [reward], [first], [episode])
        observation, given, terminated, truncated, _ = env.step(action)
        reward, first = float(given), terminated or truncated
        if first:
            episode += 1
            observation = env.reset(seed=episode)[0]

    return step


def _measured(steps: int, step: Callable[[], object]) -> dict[str, float]:
    for _ in range(steps // 10):
        step()
    before = _resident_mb()
    for _ in range(steps - steps // 10):
        step()
    after = _resident_mb()
    return {"steps": steps, "mb_before": before, "mb_after": after, "growth": after / before - 1}


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
