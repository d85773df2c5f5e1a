"""A vector environment inside the world model: unchanged SB3 agents train in imagination."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor

from nextlat_rl.agents.sb3.beliefs import belief_space, to_numpy
from nextlat_rl.agents.sb3.uncertainty import BeliefDistance
from nextlat_rl.data.batches import Batcher
from nextlat_rl.data.minari_io import load_datasets
from nextlat_rl.data.store import build_store
from nextlat_rl.envs.sb3.border import SB3Border
from nextlat_rl.errors import UserError
from nextlat_rl.noise import uniform
from nextlat_rl.world_model import WorldModel


class ImaginedVecEnv(VecEnv):
    """`n_envs` imagined episodes side by side, with beliefs `[B, D]` as observations.

    Closed-loop imagination: each step draws the reward, the end and the observation from the model's answer and feeds
    them back, so information has its price. An episode that reaches `horizon`, or a belief further than
    `max_uncertainty` from the starts, is cut as by a time limit (`TimeLimit.truncated`), and its value is bootstrapped.
    What is drawn depends on the seed alone.

    Args:
        world_model: the trained model.
        n_envs: episodes side by side; some hundreds keep a core busy.
        starts: `[N, D]` beliefs that episodes start from, see `start_beliefs`.
        horizon: longest imagined episode, in steps; by default the world model's trust horizon.
        seed: of all draws; `seed()` before `reset()` changes it.
        max_uncertainty: largest `BeliefDistance` to the starts, which must come from anywhere in the data's episodes
            then; 1 is their own root mean square distance, see `uncertainty_limit`.
        behaviour_price: reward taken for each nat by which an action is less likely under the model's own policy than
            that policy's most likely one, to stay near the data.

    Raises:
        UserError: no starts, starts of another width or too few to measure a distance, a horizon below 1, none at all
            where no trust horizon was measured, a negative price, or dynamics that were not trained.
    """

    def __init__(
        self,
        world_model: WorldModel,
        n_envs: int,
        starts: Tensor,
        horizon: int | None = None,
        seed: int = 0,
        max_uncertainty: float | None = None,
        behaviour_price: float = 0.0,
    ) -> None:
        world_model.check_dynamics("imagination", "")
        width = world_model.belief_size
        if starts.ndim != 2 or len(starts) == 0 or starts.shape[1] != width:
            raise UserError(
                f"an imagined environment needs start beliefs of shape [N, {width}], got {list(starts.shape)}: "
                "use start_beliefs(world_model, data) of the same world model"
            )
        if horizon is None:
            horizon = default_horizon(world_model)
        if horizon < 1 or n_envs < 1:
            raise UserError(f"horizon={horizon} and n_envs={n_envs} must be at least 1")
        if max_uncertainty is not None and not max_uncertainty > 0:
            raise UserError(f"max_uncertainty={max_uncertainty} must be above 0; see uncertainty_limit")
        if not behaviour_price >= 0:
            raise UserError(f"behaviour_price={behaviour_price} must be at least 0")
        self.render_mode = None
        self._border = SB3Border(world_model.action_space)
        super().__init__(n_envs, belief_space(world_model), self._border.inside)
        self.world_model, self.starts, self.horizon = world_model, starts.to(world_model.device), horizon
        self.max_uncertainty, self.behaviour_price = max_uncertainty, behaviour_price
        self._distance = None if max_uncertainty is None else BeliefDistance(self.starts)
        self._key = seed
        self._rows = torch.arange(n_envs, device=world_model.device)
        self._clock = torch.zeros_like(self._rows)  # steps since the beginning, over all episodes
        self._length = torch.zeros_like(self._rows)
        self._imagine = world_model.traced(
            lambda belief, action, noise: world_model.imagine_step(belief, action, "sample", noise)[:3]
        )

    def reset(self) -> np.ndarray:
        """First beliefs `[B, D]`."""
        if self._seeds[0] is not None:
            self._key = self._seeds[0]
        self._reset_seeds()
        self._clock.zero_()
        self._length.zero_()
        self._belief = self._drawn_starts(uniform(self._key, self._rows, self._clock - 1, 1)[:, 0])
        return to_numpy(self._belief)

    def step_async(self, actions: np.ndarray) -> None:
        """Keep the actions `[B, *action]`, which count from 0, whatever the environment's do."""
        self._action = self.world_model.encode_actions(self._border.to_outside(actions))

    @torch.no_grad()
    def step_wait(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        """Beliefs `[B, D]`, rewards `[B]`, ends `[B]`, infos; where an episode ended, the next one's first belief."""
        noise = uniform(self._key, self._rows, self._clock, 1 + self.world_model.transition_num_uniforms)
        belief, reward, go_on = self._imagine(self._belief, self._action, noise[:, 1:])
        if self.behaviour_price:
            reward = reward - self.behaviour_price * departure(self.world_model, self._belief, self._action)
        self._clock += 1
        self._length += 1
        cut = self._length >= self.horizon
        if self._distance is not None and self.max_uncertainty is not None:
            cut |= self._distance(belief) > self.max_uncertainty
        truncated = (go_on > 0) & cut
        done = (go_on == 0) | truncated
        seen = to_numpy(belief)
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        if done.any():
            for i in done.nonzero().squeeze(1).tolist():
                infos[i] = {"terminal_observation": to_numpy(belief[i]), "TimeLimit.truncated": bool(truncated[i])}
            first = self._drawn_starts(noise[done, 0])
            belief = belief.clone()
            belief[done] = first
            seen[done.cpu().numpy()] = to_numpy(first)
            self._length[done] = 0
        self._belief = belief
        return seen, to_numpy(reward.float()), done.cpu().numpy(), infos

    def close(self) -> None:
        """Nothing to close."""

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """The attribute, once for each of `indices`."""
        return [getattr(self, attr_name) for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Set an attribute of all rows: they share everything."""
        setattr(self, attr_name, value)

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> list[Any]:
        """Imagined episodes have no methods of their own."""
        raise AttributeError(f"an imagined environment has no method '{method_name}'")

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        """Never."""
        return [False for _ in self._get_indices(indices)]

    def _drawn_starts(self, draw: Tensor) -> Tensor:
        """Starts `[R, D]` by uniforms `[R]`."""
        return self.starts[(draw * len(self.starts)).long()]


def default_horizon(world_model: WorldModel) -> int:
    """The world model's trust horizon, at least 1.

    Raises:
        UserError: it was not measured.
    """
    if world_model.trust_horizon is None:
        raise UserError(
            "this world model's trust horizon was not measured: give horizon=, or run python -m nextlat_rl.diagnose "
            "checkpoint=<run>, which writes it into the checkpoint, and load that again"
        )
    return max(1, world_model.trust_horizon)


def departure(world_model: WorldModel, belief: Tensor, action: Tensor) -> Tensor:
    """By how many nats stored actions are less likely under the model's policy at `[B, D]` than its mode, `[B]`."""
    codec, policy = world_model.action_codec, world_model.policy_parameters(belief)
    return (codec.log_prob(policy, codec.mode(policy)) - codec.log_prob(policy, action)).clamp_min(0)


@torch.no_grad()
def start_beliefs(
    world_model: WorldModel, data: str | Sequence[str], count: int = 10_000, *, anywhere: bool = False, seed: int = 0
) -> Tensor:
    """Up to `count` beliefs `[N, D]` of real steps of Minari data sets.

    Args:
        world_model: the trained model.
        data: a Minari id, or several.
        count: fewer if the data has fewer.
        anywhere: any step at which an action was taken, instead of episodes' first steps.
        seed: which of them.

    Raises:
        UserError: no such data set, or its spaces are not the model's.
    """
    store = build_store(load_datasets(data if isinstance(data, str) else "+".join(data)))
    world_model.check_spaces(store.observation_space, store.action_space)
    count = min(count, store.num_transitions if anywhere else store.num_episodes)
    batches = Batcher(store, 32, world_model.context, seed)
    found: list[Tensor] = []
    while sum(map(len, found)) < count:
        batch = batches.batch(len(found)).to(world_model.device)
        found.append(world_model.beliefs(batch)[batch.has_action & (batch.is_first | anywhere)])
    return torch.cat(found)[:count]
