"""Our agents where SB3 expects a trained model: `evaluate_policy`, callbacks, video recorders."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from stable_baselines3.common.utils import is_vectorized_observation
from stable_baselines3.common.vec_env import VecEnv

from nextlat_rl.agents.agent import Agent, BatchAgent
from nextlat_rl.agents.planning.config import PlannerConfig, planner_config
from nextlat_rl.agents.planning.planner import make_planner
from nextlat_rl.agents.sb3.observations import ObservationReader
from nextlat_rl.agents.speculative import SpeculativeAgent
from nextlat_rl.world_model import WorldModel


@dataclass
class PolicyState:
    """What `predict` carries from one call to the next: memories, drafts, and where each row is."""

    agent: BatchAgent
    reward: np.ndarray  # [B] r_{t-1} as the model expects it
    episode: np.ndarray  # [B] names each row's episode


class PlannerPolicy:
    """The trained policy, or a planner, behind SB3's `predict`.

    `predict` does not get rewards, which the model reads: the most likely reward if the episode goes on is used. That
    is exact where only an episode's last reward differs (MiniGrid, CartPole), an estimate elsewhere; `BeliefVecEnv`
    reads the real ones.

    Args:
        world_model: the trained model.
        venv: what will be played, with the model's spaces or from `make_real_env`.
        planner: `none` for the policy alone, `auto`, or settings.
        speculate: decide ahead for drafted futures; the actions stay the same.
        seed: keys the noise of decisions that are not deterministic.

    Raises:
        UserError: other spaces than the model's, or dynamics that were not trained and a planner or drafts need.
    """

    def __init__(
        self,
        world_model: WorldModel,
        venv: VecEnv,
        planner: str | PlannerConfig = "none",
        speculate: bool = False,
        seed: int = 0,
    ) -> None:
        self.world_model, self.speculate, self.seed = world_model, speculate, seed
        self.planner = planner_config({"name": planner}) if isinstance(planner, str) else planner
        if speculate or self.planner.name != "none":
            world_model.check_dynamics("planning or drafting", "")
        self._reader = ObservationReader(world_model, venv)
        self.observation_space, self.action_space = venv.observation_space, venv.action_space

    def predict(
        self,
        observation: Any,
        state: PolicyState | None = None,
        episode_start: np.ndarray | None = None,
        deterministic: bool = False,
    ) -> tuple[np.ndarray, PolicyState]:
        """Actions `[B, *action]` for observations `[B, *]` (or one for one), and the state for the next call.

        Args:
            observation: as the vector environment returns it.
            state: what the last call returned; it is changed in place. None begins new episodes in all rows.
            episode_start: `[B]` whether each row's observation is its episode's first.
            deterministic: most likely actions instead of drawn ones; counts when `state` is None.
        """
        many = is_vectorized_observation(observation, self.observation_space)
        elements = self._reader.observations(self._reader.elements(observation) if many else [observation])
        batch = len(elements)
        if state is None:
            state = self._begin(batch, deterministic)
            first = np.ones(batch, dtype=bool)
        else:
            first = np.zeros(batch, dtype=bool) if episode_start is None else np.asarray(episode_start, dtype=bool)
            state.episode[first] += batch
        actions = state.agent.act(elements, state.reward.tolist(), first.tolist(), state.episode.tolist())
        # The most likely reward if the episode goes on stands in for the real one.
        state.reward = self.world_model.likely_reward(state.agent.belief, state.agent.last_action).cpu().numpy()
        return (np.stack(actions) if many else np.asarray(actions[0])), state

    def _begin(self, batch: int, deterministic: bool) -> PolicyState:
        wm, seed = self.world_model, self.seed
        search = make_planner(wm, self.planner, deterministic=deterministic, seed=seed)
        agent: BatchAgent = (
            SpeculativeAgent(wm, batch, None, deterministic, seed, search)
            if self.speculate
            else Agent(wm, batch, "trunk", deterministic, seed, search)
        )
        return PolicyState(agent, np.zeros(batch, dtype=np.float32), np.arange(batch))
