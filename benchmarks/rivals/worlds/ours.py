"""Our model under the interface of the rivals, trained as the main job trains it."""

from __future__ import annotations

from copy import copy

import numpy as np
import torch
from torch import Tensor

from benchmarks.rivals.worlds import Player, World
from benchmarks.rivals.worlds.cells import count
from benchmarks.rivals.worlds.clock import Clock
from benchmarks.rivals.worlds.trunk import trunk_dreams
from nextlat_rl.agents.agent import Agent
from nextlat_rl.data.store import Store
from nextlat_rl.jobs.config import TrainConfig
from nextlat_rl.metrics.answer_bits import answer_bits
from nextlat_rl.metrics.trajectories import Trajectories, dreams
from nextlat_rl.training.build import build_model, make_trainer, window_length
from nextlat_rl.types import Batch, Step
from nextlat_rl.world_model import WorldModel


class OurWorld(World):
    """The model of the main job's settings; it dreams by its latent dynamics."""

    name = "ours"

    def __init__(self, config: TrainConfig, env_id: str) -> None:
        self._config, self._env_id, self._by_trunk = config, env_id, False

    def by_trunk(self) -> OurWorld:
        """The same model, which dreams by its trunk."""
        other = copy(self)
        other.name, other._by_trunk = "ours, by the trunk", True
        return other

    def fit(self, store: Store, episodes: np.ndarray, seconds: float, seed: int) -> float:
        """Train for the settings' steps, whatever `seconds` says; the others get the seconds that it takes."""
        config = self._config
        length = window_length(store, config.trainer.length)
        torch.manual_seed(seed)
        model = build_model(config.model, config.objective, store, length)
        self.parameters, self.context = count(model), model.trunk.context
        self.bound = model.code is not None
        trainer = make_trainer(model, store, episodes, config.objective, config.trainer, length, seed)
        clock = Clock(seconds)
        trainer.run(lambda losses: False)
        spent = clock.spent
        self.steps = trainer.step
        model.trunk.pack()
        self.world_model = WorldModel(model, self._env_id, config.objective.discount, config.objective.name)
        return spent

    def answer_bits(self, batch: Batch) -> dict[str, float]:
        """At exact beliefs; see the library's metric."""
        return answer_bits(self.world_model.model, batch)

    def player(self, count: int, seed: int) -> Player:
        """See `World`."""
        return _OurPlayer(self.world_model, count, seed)

    def _dream(self, first: dict[str, Tensor], horizon: int, seed: int) -> Trajectories:
        imagine = trunk_dreams if self._by_trunk else dreams
        return imagine(self.world_model, self.world_model.decode_observations(first), horizon, seed)


class _OurPlayer(Player):
    def __init__(self, world_model: WorldModel, count: int, seed: int) -> None:
        self._agent = Agent(world_model, count, seed=seed)
        self._first = torch.ones(count, dtype=torch.bool)
        self._episode = torch.arange(count)

    def act(self, observation: dict[str, Tensor], reward: Tensor) -> Tensor:
        """See `Player`."""
        step = Step(observation, self._agent.last_action, reward, self._first)
        self._first = torch.zeros_like(self._first)
        return self._agent.decide_step(step, self._episode)
