"""Dyna for off-policy agents: short imagined roll-outs, branched from real steps, in the replay buffer."""

from typing import Literal

import numpy as np
import torch
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from torch import Tensor

from nextlat_rl.agents.sb3.beliefs import belief_space
from nextlat_rl.envs.sb3.border import SB3Border
from nextlat_rl.errors import UserError
from nextlat_rl.noise import uniform
from nextlat_rl.world_model import WorldModel

_HORIZON = 3


class ImaginedReplay(BaseCallback):
    """Keeps adding imagined transitions to the replay buffer of a DQN, SAC or TD3 that acts on beliefs.

    As in MBPO (arXiv 1906.08253): every so often beliefs of recent real steps are drawn from the buffer, and the agent
    acts `horizon` steps from each in closed-loop imagination, exploring as it does for real. Make the agent's buffer
    `1 + ratio` times as large as for real steps alone.

    Args:
        world_model: the one that makes the agent's beliefs.
        ratio: imagined transitions for each real one.
        horizon: length of a roll-out; an error of the model grows with every step. By default 3, or the world model's
            trust horizon if that is shorter.
        recent: real steps to branch from, at most so many back.
        every: real steps (of each environment) between two batches of roll-outs.
        rollout: `sample` draws rewards, ends and observations, as MBPO does; `argmax` takes the most likely ones, which
            is less noise where the environment itself is deterministic.
        seed: of the draws.

    Raises:
        UserError: an impossible setting; dynamics that were not trained; when learning starts, if the agent has no
            replay buffer or does not act on this model's beliefs.
    """

    def __init__(
        self,
        world_model: WorldModel,
        ratio: float = 1.0,
        horizon: int | None = None,
        recent: int = 10_000,
        every: int = 64,
        rollout: Literal["sample", "argmax"] = "sample",
        seed: int = 0,
    ) -> None:
        super().__init__()
        world_model.check_dynamics("imagination", "")
        horizon = world_model.trusted(_HORIZON) if horizon is None else horizon
        if ratio < 0 or horizon < 1 or recent < 1 or every < 1:
            raise UserError(f"ratio={ratio} must be at least 0, horizon, recent and every at least 1")
        self.world_model, self.ratio, self.horizon, self.recent, self.every = world_model, ratio, horizon, recent, every
        if rollout not in ("sample", "argmax"):
            raise UserError(f"rollout={rollout} is unknown; choose sample or argmax")
        self.rollout, self.seed = rollout, seed
        self._border = SB3Border(world_model.action_space)
        self.imagined = 0  # transitions added so far
        self._batches = 0

    def _init_callback(self) -> None:
        wanted = belief_space(self.world_model).shape
        if not isinstance(self.model, OffPolicyAlgorithm) or self.model.replay_buffer is None:
            raise UserError(f"ImaginedReplay needs an agent with a replay buffer, not {type(self.model).__name__}")
        if self.model.observation_space.shape != wanted:
            raise UserError("ImaginedReplay needs an agent on beliefs of the same world model: use make_belief_env")
        self._agent = self.model
        self._real: list[np.ndarray] = []  # beliefs [n_envs, D] of real steps, oldest first

    def _on_step(self) -> bool:
        self._real.append(np.asarray(self._agent._last_obs, dtype=np.float32))
        columns = self.training_env.num_envs
        self._real = self._real[-max(1, self.recent // columns) :]
        if self.n_calls % self.every == 0 and self.num_timesteps > self._agent.learning_starts:
            owed = self.ratio * self.every * columns
            branches = max(1, round(owed / self.horizon / columns)) * columns
            self._imagine(branches)
        self.logger.record("imagined/transitions", self.imagined)
        return True

    @torch.no_grad()
    def _imagine(self, branches: int) -> None:
        """Roll out from `branches` drawn beliefs, a multiple of the buffer's columns."""
        wm = self.world_model
        pool = np.concatenate(self._real)
        rows = torch.arange(branches, device=wm.device)
        self._batches += 1
        key = torch.full_like(rows, self._batches * (self.horizon + 1))
        drawn = uniform(self.seed, rows, key, 1)[:, 0]
        belief = torch.from_numpy(pool[(drawn.cpu().numpy() * len(pool)).astype(int)]).to(wm.device)
        alive = torch.ones(branches, dtype=torch.bool, device=wm.device)
        for k in range(1, self.horizon + 1):
            seen = belief.cpu().numpy()
            action, _ = self._agent.predict(seen, deterministic=False)
            stored = wm.encode_actions(list(self._border.to_outside(action)))
            noise = uniform(self.seed, rows, key + k, wm.transition_num_uniforms)
            belief, reward, go_on = wm.imagine_step(belief, stored, self.rollout, noise)[:3]
            self._add(seen, belief, action, reward, go_on, alive)
            alive &= go_on > 0

    def _add(
        self, seen: np.ndarray, belief: Tensor, action: np.ndarray, reward: Tensor, go_on: Tensor, alive: Tensor
    ) -> None:
        """Put the transitions of running roll-outs into the buffer, as many as fill its columns."""
        buffer = self._agent.replay_buffer
        assert buffer is not None
        rows = alive.nonzero().squeeze(1).cpu().numpy()
        rows = rows[: len(rows) // buffer.n_envs * buffer.n_envs]
        kept = self._agent.policy.scale_action(action) if hasattr(self._agent.action_space, "low") else action
        after, rewards, dones = belief.cpu().numpy(), reward.float().cpu().numpy(), (go_on == 0).cpu().numpy()
        for some in rows.reshape(-1, buffer.n_envs):
            infos = [{"TimeLimit.truncated": False}] * buffer.n_envs
            buffer.add(seen[some], after[some], kept[some], rewards[some], dones[some], infos)
        self.imagined += len(rows)
