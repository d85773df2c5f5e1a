"""Observations as Stable-Baselines3 batches them, and as the world model reads them.

SB3's vector environments hold observations in arrays, so a text (MiniGrid's mission) does not fit in. Environments are
therefore made to hand out the world model's stored form, in which everything is an array.
"""

from typing import Any

import gymnasium as gym
import numpy as np
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv, VecMonitor

from nextlat_rl.agents.sb3.replayed import Replayed
from nextlat_rl.envs import make_env, saved_env_id
from nextlat_rl.spaces import leaves
from nextlat_rl.world_model import WorldModel


def make_real_env(world_model: WorldModel, n_envs: int = 1, seed: int = 0) -> VecEnv:
    """`n_envs` copies of the environment that the world model was trained on, in stored form, with a monitor.

    Row i starts with seed `seed + i`.

    Raises:
        UserError: the environment's spaces are no longer the model's; see `saved_env_id`.
    """
    env_id = saved_env_id(world_model.env_id)
    venv = DummyVecEnv([lambda: Replayed(StoredObservations(make_env(env_id), world_model)) for _ in range(n_envs)])
    venv.seed(seed)
    return VecMonitor(venv)


class StoredObservations(gym.ObservationWrapper):
    """Observations in the stored form of the world model's codecs, a Dict of arrays."""

    def __init__(self, env: gym.Env, world_model: WorldModel) -> None:
        super().__init__(env)
        world_model.check_spaces(env.observation_space, env.action_space)
        self._world_model = world_model
        self.observation_space = stored_space(world_model)

    def observation(self, observation: Any) -> dict[str, np.ndarray]:
        """Leaf -> `[*leaf]`."""
        stored = self._world_model.encode_observations([observation])
        return {name: leaf[0].cpu().numpy() for name, leaf in stored.items()}


def stored_space(world_model: WorldModel) -> gym.spaces.Dict:
    """The space of stored observations, leaf -> Box."""
    boxes: dict[str, gym.spaces.Space[Any]] = {}
    for name, space in leaves(world_model.observation_space).items():
        dtype, shape = world_model.observation_codecs[name].storage(space)
        limits = (-np.inf, np.inf) if dtype.kind == "f" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
        boxes[name] = gym.spaces.Box(limits[0], limits[1], shape, dtype.type)
    return gym.spaces.Dict(boxes)


class ObservationReader:
    """Splits what a vector environment returns into elements of the world model's observation space.

    Args:
        world_model: the trained model.
        venv: an environment with the model's spaces, or one that `make_real_env` made.

    Raises:
        UserError: if it is neither.
    """

    def __init__(self, world_model: WorldModel, venv: VecEnv) -> None:
        self.world_model, self.space = world_model, venv.observation_space
        self._stored = self.space == stored_space(world_model)
        observation = world_model.observation_space if self._stored else self.space
        world_model.check_spaces(observation, venv.action_space)

    def elements(self, batch: Any) -> list[Any]:
        """The observations `[B]` of a batch, still in the vector environment's own form."""
        return unbatched(self.space, batch)

    def observations(self, elements: list[Any]) -> list[Any]:
        """The same as elements of the world model's observation space."""
        if not self._stored:
            return elements
        return self.world_model.decode_observations(self._stacked(elements))

    def encode(self, elements: list[Any]) -> dict[str, Any]:
        """The same in stored form, leaf -> tensor `[B, *leaf]`."""
        return self._stacked(elements) if self._stored else self.world_model.encode_observations(elements)

    def _stacked(self, elements: list[Any]) -> dict[str, Any]:
        import torch

        names = self.world_model.observation_codecs
        stacked = {name: np.stack([element[name] for element in elements]) for name in names}
        return {name: torch.from_numpy(leaf).to(self.world_model.device) for name, leaf in stacked.items()}


def unbatched(space: gym.Space, batch: Any) -> list[Any]:
    """A batch as `VecEnv` returns it (a dict or tuple of arrays, or one array) to a list of elements."""
    if isinstance(space, gym.spaces.Dict):
        parts = [unbatched(part, batch[name]) for name, part in space.items()]
        return [dict(zip(space, values, strict=True)) for values in zip(*parts, strict=True)]
    if isinstance(space, gym.spaces.Tuple):
        return list(zip(*(unbatched(part, column) for part, column in zip(space, batch, strict=True)), strict=True))
    return list(batch)
