"""A vector environment whose observations are beliefs: partially observed tasks for feed-forward agents."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import torch
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper, unwrap_vec_normalize
from torch import Tensor

from nextlat_rl.agents.sb3.observations import ObservationReader, make_real_env
from nextlat_rl.envs.sb3.border import SB3Border
from nextlat_rl.errors import UserError
from nextlat_rl.memory import Acting
from nextlat_rl.tracing import padded
from nextlat_rl.types import Step
from nextlat_rl.world_model import WorldModel


def make_belief_env(
    world_model: WorldModel, n_envs: int = 1, seed: int = 0, acting: Acting = "recurrent"
) -> BeliefVecEnv:
    """`n_envs` copies of the world model's real environment, seen through its beliefs.

    Row i starts with seed `seed + i`.
    """
    return BeliefVecEnv(make_real_env(world_model, n_envs, seed), world_model, acting)


class BeliefVecEnv(VecEnvWrapper):
    """Hands the agent the belief h_t `[B, D]` in place of the observation.

    The belief after an episode's last observation replaces `terminal_observation`, so value targets at time limits are
    those of the belief there. Wrap it in `VecNormalize` and the like, not the other way round: the world model reads
    observations and rewards as they were in its data.

    Args:
        venv: of the world model's environment.
        world_model: the trained model.
        acting: `recurrent` carries beliefs with the latent dynamics alone; `trunk` computes them exactly.
        with_observation: hand out a dict of the `belief` and the observation (its own entries if it is a dict).

    Raises:
        UserError: other spaces than the model's, normalised observations, or dynamics that were not trained.
    """

    def __init__(
        self, venv: VecEnv, world_model: WorldModel, acting: Acting = "recurrent", with_observation: bool = False
    ) -> None:
        if unwrap_vec_normalize(venv) is not None:
            raise UserError("BeliefVecEnv needs raw observations and rewards: put VecNormalize around it, not inside")
        if acting == "recurrent":
            world_model.check_dynamics("acting=recurrent", ', or use acting="trunk"')
        self._reader = ObservationReader(world_model, venv)
        self.with_observation = with_observation
        belief = belief_space(world_model)
        raw = venv.observation_space
        parts = dict(raw.items()) if isinstance(raw, gym.spaces.Dict) else {"observation": raw}
        self._border = SB3Border(venv.action_space)
        seen = gym.spaces.Dict({"belief": belief, **parts}) if with_observation else belief
        super().__init__(venv, seen, self._border.inside)
        self.world_model = world_model
        self.memory = world_model.memory(venv.num_envs, acting)

    def reset(self) -> Any:
        """Beliefs `[B, D]` of first observations."""
        observation = self.venv.reset()
        first = self._first_step(self._reader.elements(observation))
        return self._seen(to_numpy(self.world_model.observe(first, self.memory)), observation)

    def step_async(self, actions: np.ndarray) -> None:
        """Start a step; actions `[B, *action]` count from 0, whatever the environment's do."""
        self._actions = np.array(self._border.to_outside(actions))
        self.venv.step_async(self._actions)

    def step_wait(self) -> tuple[Any, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        """Beliefs `[B, D]`, rewards `[B]`, ends `[B]`, infos; where an episode ended, the next one's first belief."""
        observation, rewards, dones, infos = self.venv.step_wait()
        elements = self._reader.elements(observation)
        ended = np.flatnonzero(dones)
        reached = list(elements)
        for i in ended:
            reached[i] = infos[i]["terminal_observation"]
        beliefs = to_numpy(self.world_model.observe(self._next_step(reached, rewards), self.memory))
        if len(ended):
            infos = list(infos)
            for i in ended:
                belief = to_numpy(torch.from_numpy(beliefs[i]))
                infos[i] = {**infos[i], "terminal_observation": self._seen(belief, reached[i])}
            beliefs[ended] = self._begin([elements[i] for i in ended], torch.from_numpy(ended))
        return self._seen(beliefs, observation), rewards, dones, infos

    def _begin(self, elements: list[Any], rows: Tensor) -> np.ndarray:
        """Start new episodes in `rows: [R]`; their first beliefs `[R, D]`."""
        filled = padded(rows).to(self.world_model.device)
        part = self.memory.index_select(filled)
        first = self._first_step(elements + elements[:1] * (len(filled) - len(rows)))
        belief = to_numpy(self.world_model.observe(first, part))
        self.memory.index_copy(filled, part)
        return belief[: len(rows)]

    def _next_step(self, elements: list[Any], rewards: np.ndarray) -> Step:
        reward = torch.as_tensor(rewards, dtype=torch.float32, device=self.world_model.device)
        action = self.world_model.encode_actions(list(self._actions))
        return Step(self._reader.encode(elements), action, reward, torch.zeros_like(reward, dtype=torch.bool))

    def _first_step(self, elements: list[Any]) -> Step:
        zeros = torch.zeros(len(elements), dtype=torch.float32, device=self.world_model.device)
        return Step(self._reader.encode(elements), self.world_model.no_actions(len(elements)), zeros, zeros == 0)

    def _seen(self, belief: np.ndarray, observation: Any) -> Any:
        """What the agent gets of a belief `[*B, D]` and an observation."""
        if not self.with_observation:
            return belief
        return {"belief": belief, **(observation if isinstance(observation, dict) else {"observation": observation})}


def belief_space(world_model: WorldModel) -> gym.spaces.Box:
    """The space of beliefs `[D]`."""
    return gym.spaces.Box(-np.inf, np.inf, (world_model.belief_size,), np.float32)


def to_numpy(belief: Tensor) -> np.ndarray:
    """A copy on the CPU, where torch puts its tensors: matrix products round by how their memory is aligned."""
    return belief.cpu().clone().numpy()
