"""Our model under the interface of the rivals, trained as the main job trains it."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from benchmarks.rivals.worlds import Player, Trajectories, World
from benchmarks.rivals.worlds.cells import bits, count
from benchmarks.rivals.worlds.clock import Clock
from nextlat_rl.agents.agent import Agent
from nextlat_rl.data.store import Store
from nextlat_rl.jobs.config import TrainConfig
from nextlat_rl.objectives.forward import forward
from nextlat_rl.training.build import build_model, make_trainer, window_length
from nextlat_rl.types import Batch, Step
from nextlat_rl.world_model import WorldModel

_CHUNK = 25  # imagined steps kept in memory at once


class OurWorld(World):
    """The model of the main job's settings."""

    name = "ours"

    def __init__(self, config: TrainConfig, env_id: str) -> None:
        self._config, self._env_id = config, env_id

    def fit(self, store: Store, episodes: np.ndarray, seconds: float, seed: int) -> float:
        """Train for the settings' steps, whatever `seconds` says; the others get the seconds that it takes."""
        config = self._config
        length = window_length(store, config.trainer.length)
        torch.manual_seed(seed)
        model = build_model(config.model, config.objective, store, length)
        self.parameters, self.context = count(model), model.trunk.context
        trainer = make_trainer(model, store, episodes, config.objective, config.trainer, length, seed)
        clock = Clock(seconds)
        trainer.run(lambda losses: False)
        spent = clock.spent
        self.steps = trainer.step
        model.trunk.pack()
        self.world_model = WorldModel(model, self._env_id, config.objective.discount, config.objective.name)
        return spent

    @torch.no_grad()
    def answer_bits(self, batch: Batch) -> dict[str, float]:
        """Exact, at exact beliefs."""
        model, has = self.world_model.model, batch.has_next
        answer = forward(model, batch).transition
        following = {name: torch.roll(leaf, -1, 1) for name, leaf in batch.observation.items()}
        seen = [codec.log_prob(answer.observation[name], following[name]) for name, codec in model.observation.items()]
        nats = {
            "reward": -float(model.reward_log_prob(answer, batch.reward, batch.terminated)[has].sum()),
            "end": -float(model.end_log_prob(answer, batch.terminated)[has].sum()),
            "observation": -float(torch.stack(seen).sum(0)[has].sum()),
        }
        return bits(nats, int(has.sum()))

    def player(self, count: int, seed: int) -> Player:
        """See `World`."""
        return _OurPlayer(self.world_model, count, seed)

    @torch.no_grad()
    def _dream(self, first: dict[str, Tensor], horizon: int, seed: int) -> Trajectories:
        """Closed-loop imagination; answers and actions are drawn."""
        wm, n = self.world_model, len(next(iter(first.values())))
        zeros = torch.zeros(n)
        belief = wm.observe(Step(first, wm.no_actions(n), zeros, zeros == 0), wm.memory(n))
        alive, pieces = torch.ones(n), []
        for start in range(0, horizon, _CHUNK):
            length = min(_CHUNK, horizon - start)
            made = wm.imagine(belief, horizon=length, rollout="sample", seed=seed * 100_003 + start)
            before, belief = made.alive * alive[:, None], made.belief[:, -1]
            alive = alive * made.running
            pieces.append((made, before, torch.cat([before[:, 1:], alive[:, None]], 1)))
            if not alive.any():
                break
        taken, after = (torch.cat(parts, 1) > 0 for parts in zip(*(piece[1:] for piece in pieces), strict=True))
        seen = {name: [leaf[:, None], *(made.observation[name] for made, *_ in pieces)] for name, leaf in first.items()}
        return Trajectories(
            observation={name: torch.cat(leaf, 1) for name, leaf in seen.items()},
            action=torch.cat([made.action for made, *_ in pieces], 1),
            reward=torch.cat([made.reward for made, *_ in pieces], 1) * taken,
            ended=taken & ~after,
            taken=taken,
        )


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
