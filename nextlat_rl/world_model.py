"""The trained model as a world model: follow reality with `observe`, leave it with `imagine`."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from nextlat_rl.errors import UserError
from nextlat_rl.models.nextlat import NextLat, TransitionParams
from nextlat_rl.models.transformer import KVCache
from nextlat_rl.noise import uniform
from nextlat_rl.objectives.registry import OBJECTIVES
from nextlat_rl.spaces import flatten_list, leaves, unflatten
from nextlat_rl.tracing import Traced
from nextlat_rl.types import Step

Acting = Literal["trunk", "recurrent"]
RolloutMode = Literal["open_loop", "argmax", "sample"]


class Memory:
    """What is carried from one real step to the next: a KV cache (`trunk`) or just the belief (`recurrent`)."""

    def __init__(self, model: NextLat, batch_size: int, acting: Acting, draft: int = 0) -> None:
        device = model.start.device
        self.cache = KVCache(model.trunk, batch_size, model.trunk.context + draft) if acting == "trunk" else None
        self.belief = torch.zeros(batch_size, model.config.trunk.width, device=device)

    def index_select(self, rows: Tensor) -> Memory:
        """A copy of `rows` (`[R]` int)."""
        part = copy(self)
        part.belief = self.belief[rows]
        part.cache = None if self.cache is None else self.cache.index_select(rows)
        return part

    def index_copy(self, rows: Tensor, part: Memory) -> None:
        """Replace `rows` (`[R]` int) by what `index_select` gave and `observe` has changed since."""
        self.belief[rows] = part.belief
        if self.cache is not None and part.cache is not None:
            self.cache.index_copy(rows, part.cache)


@dataclass
class Imagination:
    """An imagined roll-out of K steps from a batch of B beliefs.

    `alive[:, k]` is the probability that the episode is still running before step k (0 or 1 when answers are drawn or
    taken at their mode), so `(alive * reward).sum(1)` is the imagined return.
    """

    belief: Tensor  # [B, K + 1, D], the start included
    action: Tensor  # [B, K, *action]
    reward: Tensor  # [B, K]
    alive: Tensor  # [B, K]
    running: Tensor  # [B] probability that the episode still runs after step K - 1
    value: Tensor  # [B, K + 1]
    observation: dict[str, Tensor]  # leaf -> [B, K, *leaf], what step k brought; the most likely one when open loop

    def imagined_return(self, discount: float = 1.0) -> Tensor:
        """Discounted sum of the imagined rewards, `[B]`."""
        weight = discount ** torch.arange(self.reward.shape[1], device=self.reward.device)
        return (self.alive * self.reward * weight).sum(1)


class WorldModel:
    """A trained NextLat model: beliefs of real histories, imagined futures, policy and value.

    All tensors live on `device`; every method is batched and free of gradients. `discount` is the value's,
    `objective` what the model was trained on.
    """

    def __init__(self, model: NextLat, env_id: str, discount: float = 0.99, objective: str = "nextlat") -> None:
        self.model = model.eval()
        self.env_id, self.discount, self.objective = env_id, discount, objective
        self.device = model.start.device
        self._leaves = leaves(model.spaces.observation)
        self.embed_step = Traced(model, self._embed)
        self._carry = Traced(model, lambda belief, *step: model.dynamics(belief, self._embed(*step)))
        self._most_likely = Traced(model, lambda belief: model.action.mode(model.action.head(belief)))
        self._draw = Traced(model, lambda belief, noise: model.action.sample(model.action.head(belief), noise))

    @classmethod
    def load(cls, path: str | Path, device: str = "auto") -> WorldModel:
        """From a run folder or a checkpoint folder.

        Raises:
            UserError: if there is no checkpoint, or it is broken.

        """
        from nextlat_rl.runtime import pick_device
        from nextlat_rl.training.checkpoint import load_model

        model, config = load_model(path, pick_device(device))
        model.trunk.pack()
        trained = config.get("train_config", {}).get("objective", {})  # a checkpoint of one's own may not say
        return cls(model, config["env_id"], config["discount"], trained.get("name", "nextlat"))

    def check_dynamics(self, user: str, remedy: str) -> None:
        """Require that the latent dynamics, which `user` needs, were trained.

        Raises:
            UserError: the objective left them as they were at first.

        """
        if not OBJECTIVES.load(self.objective).trains_dynamics:
            raise UserError(
                f"{user} uses the latent dynamics, which objective={self.objective} leaves untrained: train with "
                f"objective=nextlat{remedy}"
            )

    def encode_observations(self, observations: Sequence[Any]) -> dict[str, Tensor]:
        """Elements of the observation space to stored form, leaf -> `[B, *leaf]`."""
        flat = flatten_list(self.model.spaces.observation, observations)
        return {
            name: torch.from_numpy(codec.encode(self._leaves[name], flat[name])).to(self.device)
            for name, codec in self.model.observation.items()
        }

    def encode_actions(self, actions: Sequence[Any]) -> Tensor:
        """Elements of the action space to stored form, `[B, *action]`."""
        return torch.from_numpy(self.model.action.encode(self.model.spaces.action, actions)).to(self.device)

    def no_actions(self, batch_size: int) -> Tensor:
        """Stored actions `[B, *action]` to put where there is none, as before an episode's first step."""
        codec = self.model.action
        return torch.from_numpy(np.zeros((batch_size, *codec.storage_shape), codec.storage_dtype)).to(self.device)

    def first_step(self, observations: Sequence[Any]) -> Step:
        """x_0 of a batch of episodes, from what `env.reset` returned."""
        batch = len(observations)
        zeros = torch.zeros(batch, device=self.device)
        return Step(self.encode_observations(observations), self.no_actions(batch), zeros, zeros == 0)

    def decode_actions(self, action: Tensor) -> list[Any]:
        """Stored actions `[B, *action]` to elements of the action space."""
        return self.model.action.decode(self.model.spaces.action, action.cpu().numpy())

    def decode_observations(self, observation: dict[str, Tensor]) -> list[Any]:
        """Stored observations, leaf -> `[B, *leaf]`, to elements of the observation space."""
        decoded = {
            name: codec.decode(self._leaves[name], observation[name].cpu().numpy())
            for name, codec in self.model.observation.items()
        }
        return unflatten(self.model.spaces.observation, decoded)

    def memory(self, batch_size: int, acting: Acting = "trunk", draft: int = 0) -> Memory:
        """An empty memory for `batch_size` environments, with room to read `draft` steps ahead and take them back."""
        return Memory(self.model, batch_size, acting, draft)

    @torch.no_grad()
    def observe(self, step: Step, memory: Memory) -> Tensor:
        """Beliefs h_t `[B, D]` after a real step; `memory` is updated in place.

        With a `trunk` memory the belief is exact; with a `recurrent` one the grounded latent dynamics carries it from
        the episode's first step on, at a fraction of the cost.
        """
        arguments = (step.previous_action, step.previous_reward, step.is_first, *step.observation.values())
        if memory.cache is not None:
            memory.cache.reset(step.is_first)
            memory.belief = self.model.trunk.extend(self.embed_step(*arguments)[:, None], memory.cache)[:, 0]
            return memory.belief
        memory.belief = self._carry(memory.belief, *arguments)
        if step.is_first.any():
            first = self._embed(*(argument[step.is_first] for argument in arguments))[:, None]
            segment = torch.zeros(first.shape[:2], dtype=torch.long, device=self.device)
            memory.belief[step.is_first] = self.model.trunk(first, segment)[:, 0]
        return memory.belief

    def _embed(self, previous_action: Tensor, previous_reward: Tensor, is_first: Tensor, *leaf: Tensor) -> Tensor:
        """emb(x_t) `[B, D]` of the parts of a `Step`."""
        observation = dict(zip(self.model.observation, leaf, strict=True))
        return self.model.embed_step(self.model.embed_action(previous_action), previous_reward, observation, is_first)

    @torch.no_grad()
    def policy(self, belief: Tensor, noise: Tensor | None = None) -> Tensor:
        """Stored actions `[B, *action]`: drawn with `noise: [B, action.num_uniforms]`, or the most likely ones."""
        return self._most_likely(belief) if noise is None else self._draw(belief, noise)

    @torch.no_grad()
    def value(self, belief: Tensor) -> Tensor:
        """Expected discounted return V(h), `[*B, D] -> [*B]`."""
        return self.model.value.mean(self.model.value.head(belief))

    @torch.no_grad()
    def imagine(
        self,
        belief: Tensor,
        actions: Tensor | None = None,
        *,
        horizon: int | None = None,
        rollout: RolloutMode = "open_loop",
        seed: int = 0,
        deterministic: bool = False,
    ) -> Imagination:
        """Roll the latent dynamics out from `belief: [B, D]`.

        Args:
            belief: `[B, D]`, from `observe`.
            actions: `[B, K, *action]` stored actions; without them the policy draws its own for `horizon` steps.
            horizon: K when there are no actions.
            rollout: `open_loop` predicts the expected next belief; `argmax` and `sample` are closed-loop: they put the
                most likely, or a drawn, observation in its place. Only `sample` prices information.
            seed: keys the counter-based noise; row b's draws do not depend on the other rows.
            deterministic: the policy takes its most likely actions instead of drawing them.

        """
        length = actions.shape[1] if actions is not None else horizon
        if not length or length < 1:
            raise ValueError(f"imagine needs actions or a horizon of at least 1, got {length}")
        rows = torch.arange(belief.shape[0], device=belief.device)
        alive = torch.ones(belief.shape[0], device=belief.device)
        beliefs, taken, rewards, alives = [belief], [], [], []
        observations: dict[str, list[Tensor]] = {name: [] for name in self.model.observation}
        for k in range(length):
            noise_size = self.model.action.num_uniforms + self.model.transition_num_uniforms
            noise = uniform(seed, rows, torch.full_like(rows, k), noise_size)
            for_action, for_answer = noise.split(
                [self.model.action.num_uniforms, self.model.transition_num_uniforms], dim=-1
            )
            drawn = None if deterministic else for_action
            action = actions[:, k] if actions is not None else self.policy(belief, drawn)
            belief, reward, go_on, observation = self.imagine_step(belief, action, rollout, for_answer)
            beliefs.append(belief)
            taken.append(action)
            rewards.append(reward)
            alives.append(alive)
            for name, leaf in observation.items():
                observations[name].append(leaf)
            alive = alive * go_on
        stacked = torch.stack(beliefs, 1)
        return Imagination(
            belief=stacked,
            action=torch.stack(taken, 1),
            reward=torch.stack(rewards, 1),
            alive=torch.stack(alives, 1),
            running=alive,
            value=self.value(stacked),
            observation={name: torch.stack(steps, 1) for name, steps in observations.items()},
        )

    def imagine_step(
        self, belief: Tensor, action: Tensor, rollout: RolloutMode, noise: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, dict[str, Tensor]]:
        """One imagined step: next belief `[B, D]`, reward `[B]`, probability of going on `[B]`, observation.

        Args:
            belief: `[B, D]`.
            action: stored, `[B, *action]`.
            rollout: see `imagine`; only `sample` looks at the noise, and its probability of going on is 0 or 1.
            noise: uniforms `[B, transition_num_uniforms]`.

        """
        model = self.model
        embedded = model.embed_action(action)
        answer: TransitionParams = model.transition(model.after(belief, embedded))
        if rollout == "sample":
            reward, end, observation = model.sample_transition(answer, noise)
        else:
            reward, end, observation = model.argmax_transition(answer)
        if rollout == "open_loop":
            go_on, reward = torch.sigmoid(-answer.end), model.expected_reward(answer)
            return model.dynamics(belief, model.embed_open_loop(embedded)), reward, go_on, observation
        not_first = torch.zeros_like(end)
        step = model.embed_step(embedded, reward, observation, not_first)
        return model.dynamics(belief, step), reward, (~end).to(belief.dtype), observation
