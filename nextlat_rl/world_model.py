"""The trained model as a world model: follow reality with `observe`, leave it with `imagine`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor

from nextlat_rl.data.space_check import check_spaces
from nextlat_rl.imagination import (
    Imagination,
    ImaginedStep,
    RolloutMode,
    draft_step,
    expected_step,
    imagine_step,
    step_num_uniforms,
)
from nextlat_rl.memory import Acting, Memory
from nextlat_rl.models.nextlat import NextLat
from nextlat_rl.models.transformer import KVCache
from nextlat_rl.noise import uniform
from nextlat_rl.objectives.config import check_dynamics
from nextlat_rl.objectives.forward import embed_windows
from nextlat_rl.spaces import flatten_list, leaves, unflatten
from nextlat_rl.tracing import Traced, lasting
from nextlat_rl.types import Batch, Step


class WorldModel:
    """A trained NextLat model: beliefs of real histories, imagined futures, policy and value.

    All tensors live on `device`; every method is batched and free of gradients.

    Attributes:
        model: the network.
        env_id, discount: the environment that it was trained for, and of the value, for each step.
        objective: what it was trained on.
        observation_space, action_space: the environment's.
        observation_codecs: store and embed the observation's leaves, by name.
        action_codec: stores, embeds and scores actions.
        value_codec: the value head.
        belief_size: D, the trunk's width and the numbers of a continuous observation.
        context: how many steps back the trunk reads.
        transition_num_uniforms: how many uniforms one imagined step takes for each row.
        trust_horizon: up to how many steps dreams cannot be told from real episodes, see `diagnose_world`; None where
            that was not measured.
        value_range: difference of the largest and the smallest value that the value head knows.
        embed_step: emb(x_t) `[B, D]` of the parts of a `Step`, traced.
        advance: the belief `[B, D]` after emb(x_{t+1}) `[B, D]`, by the latent dynamics (arXiv 2511.05963, eq. 9),
            traced.
        draft_step: from `belief: [B, D]` by stored actions `[B, *action]`, with the answer drawn most often: next
            belief `[B, D]`, emb(x_{t+1}) `[B, D]`, code `[B, G]`, reward `[B]`, end `[B]` and the
            observation's leaves; traced.
    """

    def __init__(
        self,
        model: NextLat,
        env_id: str,
        discount: float = 0.99,
        objective: str = "nextlat",
        trust_horizon: int | None = None,
    ) -> None:
        self.model, self.trust_horizon = model.eval(), trust_horizon
        self.env_id, self.discount, self.objective = env_id, discount, objective
        self.device = model.start.device
        self.observation_space, self.action_space = model.spaces.observation, model.spaces.action
        self.observation_codecs, self.action_codec, self.value_codec = model.observation, model.action, model.value
        self.belief_size, self.context = model.belief_size, model.trunk.context
        self.transition_num_uniforms = step_num_uniforms(model)
        self.value_range = float(self.value_codec.centres[-1] - self.value_codec.centres[0])
        self._leaves = leaves(self.observation_space)
        self.embed_step = self.traced(self._embed)
        self.advance = self.traced(model.dynamics)
        self.draft_step = self.traced(lambda belief, action: draft_step(model, belief, action))
        self._carry = self.traced(lambda belief, *step: model.dynamics(belief, self._embed(*step)))
        self._most_likely = self.traced(lambda belief: model.action.mode(model.action.head(belief)))
        self._draw = self.traced(lambda belief, noise: model.action.sample(model.action.head(belief), noise))

    @classmethod
    @lasting
    def load(cls, path: str | Path, device: str = "auto") -> WorldModel:
        """From a run folder or a checkpoint folder.

        Raises:
            UserError: there is no checkpoint, it is broken, or it does not say what it was trained for.
        """
        from nextlat_rl.runtime import pick_device
        from nextlat_rl.training.checkpoint import load_model, trained_for

        model, config = load_model(path, pick_device(device))
        model.trunk.pack()
        return cls(model, **trained_for(config))

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies and pickles are built anew around a copy of the network: what is traced belongs to one network."""
        return WorldModel, (self.model, self.env_id, self.discount, self.objective, self.trust_horizon)

    def zeros(self, *shape: int) -> Tensor:
        """Zeros of the weights' type, which need not be torch's default one."""
        return self.model.start.new_zeros(shape)

    def traced(self, function: Callable[..., Any]) -> Traced:
        """A function of tensors that uses this model's weights, traced for each shape of its arguments."""
        return Traced(self.model, function)

    def trusted(self, steps: int) -> int:
        """`steps`, or the trust horizon if that is shorter, but at least 1: how far to imagine."""
        return steps if self.trust_horizon is None else max(1, min(steps, self.trust_horizon))

    def check_dynamics(self, user: str, remedy: str) -> None:
        """Require that the latent dynamics, which `user` needs, were trained.

        Raises:
            UserError: the objective left them as they were initialised.
        """
        check_dynamics(self.objective, user, remedy)

    def check_spaces(self, observation_space: gym.Space[Any], action_space: gym.Space[Any]) -> None:
        """Require an environment's or a data set's spaces to be the model's.

        Raises:
            UserError: naming the part that differs.
        """
        check_spaces(self.observation_space, self.action_space, observation_space, action_space)

    def encode_observations(self, observations: Sequence[Any]) -> dict[str, Tensor]:
        """Elements of the observation space to stored form, leaf -> `[B, *leaf]`."""
        flat = flatten_list(self.observation_space, observations)
        return {
            name: torch.from_numpy(codec.encode(self._leaves[name], flat[name])).to(self.device)
            for name, codec in self.observation_codecs.items()
        }

    def encode_actions(self, actions: Sequence[Any]) -> Tensor:
        """Elements of the action space to stored form, `[B, *action]`."""
        return torch.from_numpy(self.action_codec.encode(self.action_space, actions)).to(self.device)

    def no_actions(self, batch_size: int) -> Tensor:
        """Stored actions `[B, *action]` to put where there is none, as before an episode's first step."""
        shape = (batch_size, *self.action_codec.storage_shape)
        return torch.from_numpy(np.zeros(shape, self.action_codec.storage_dtype)).to(self.device)

    def first_step(self, observations: Sequence[Any]) -> Step:
        """x_0 of a batch of episodes, from what `env.reset` returned."""
        zeros = self.zeros(len(observations))
        return Step(self.encode_observations(observations), self.no_actions(len(zeros)), zeros, zeros == 0)

    def decode_actions(self, action: Tensor) -> list[Any]:
        """Stored actions `[B, *action]` to elements of the action space."""
        return self.action_codec.decode(self.action_space, action.cpu().numpy())

    def decode_observations(self, observation: dict[str, Tensor]) -> list[Any]:
        """Stored observations, leaf -> `[B, *leaf]`, to elements of the observation space."""
        stored, codecs = {name: leaf.cpu().numpy() for name, leaf in observation.items()}, self.observation_codecs
        decoded = {name: codec.decode(self._leaves[name], stored[name]) for name, codec in codecs.items()}
        return unflatten(self.observation_space, decoded)

    def memory(self, batch_size: int, acting: Acting = "trunk", draft: int = 0) -> Memory:
        """An empty memory for `batch_size` environments, with room to read `draft` steps ahead and take them back."""
        return Memory(self.model, batch_size, acting, draft)

    @lasting
    def observe(self, step: Step, memory: Memory) -> Tensor:
        """Beliefs h_t `[B, D]` after a real step; `memory` is updated in place.

        With a `trunk` memory the belief is exact; with a `recurrent` one the grounded latent dynamics carries it from
        the episode's first step on, at a fraction of the cost.
        """
        arguments = (step.previous_action, step.previous_reward, step.is_first, *step.observation.values())
        if memory.cache is not None:
            memory.cache.reset(step.is_first)
            memory.belief = self.read(self.embed_step(*arguments)[:, None], memory.cache)[:, 0]
            return memory.belief
        memory.belief = self._carry(memory.belief, *arguments)
        if step.is_first.any():
            first = self._embed(*(argument[step.is_first] for argument in arguments))
            memory.belief[step.is_first] = self.first_belief(first)
        return memory.belief

    @torch.no_grad()
    def beliefs(self, batch: Batch) -> Tensor:
        """Beliefs `[B, L, D]` of whole windows."""
        return self.model.beliefs(embed_windows(self.model, batch)[2], batch.segment)

    def read(self, x: Tensor, cache: KVCache) -> Tensor:
        """Exact beliefs `[B, K, D]` after the steps with emb(x) `[B, K, D]`, which the cache is extended by."""
        return self.model.extend(x, cache)

    @torch.no_grad()
    def first_belief(self, x: Tensor) -> Tensor:
        """Exact beliefs `[B, D]` after an episode's first step, of its emb(x) `[B, D]`."""
        return self.model.beliefs(x[:, None], torch.zeros_like(x[:, :1], dtype=torch.long))[:, 0]

    def _embed(self, previous_action: Tensor, previous_reward: Tensor, is_first: Tensor, *leaf: Tensor) -> Tensor:
        observation = dict(zip(self.observation_codecs, leaf, strict=True))
        return self.model.embed_step(self.model.embed_action(previous_action), previous_reward, observation, is_first)

    @torch.no_grad()
    def policy(self, belief: Tensor, noise: Tensor | None = None) -> Tensor:
        """Stored actions `[B, *action]`: drawn with `noise: [B, action_codec.num_uniforms]`, or the most likely."""
        return self._most_likely(belief) if noise is None else self._draw(belief, noise)

    @torch.no_grad()
    def policy_parameters(self, belief: Tensor) -> Tensor:
        """Parameters of the policy `[*B, P]` at `belief: [*B, D]`, for the methods of `action_codec`."""
        return self.action_codec.head(belief)

    @torch.no_grad()
    def value(self, belief: Tensor) -> Tensor:
        """Expected discounted return V(h), `[*B, D] -> [*B]`."""
        return self.value_codec.mean(self.value_codec.head(belief))

    @torch.no_grad()
    def imagine(
        self,
        belief: Tensor,
        actions: Tensor | None = None,
        *,
        horizon: int | None = None,
        rollout: RolloutMode = "sample",
        seed: int = 0,
        deterministic: bool = False,
    ) -> Imagination:
        """Roll the latent dynamics out from `belief: [B, D]`, as `observe` gives it.

        Args:
            actions: `[B, K, *action]` stored actions; without them the policy draws its own for `horizon` steps.
            horizon: K when there are no actions.
            rollout: `sample` draws the world's answers, `argmax` takes the most likely ones. Only `sample` prices
                information.
            seed: keys the counter-based noise; row b's draws do not depend on the other rows.
            deterministic: the policy takes its most likely actions instead of drawing them.

        Raises:
            ValueError: neither actions nor a horizon of at least 1.
        """
        length = actions.shape[1] if actions is not None else horizon
        if not length or length < 1:
            raise ValueError(f"imagine needs actions or a horizon of at least 1, got {length}")
        rows = torch.arange(belief.shape[0], device=belief.device)
        beliefs, taken, alives, steps = [belief], [], [belief.new_ones(len(belief))], []
        sizes = (self.action_codec.num_uniforms, self.transition_num_uniforms)
        for k in range(length):
            for_action, for_answer = uniform(seed, rows, torch.full_like(rows, k), sum(sizes)).split(sizes, dim=-1)
            drawn = None if deterministic else for_action
            taken.append(actions[:, k] if actions is not None else self.policy(belief, drawn))
            steps.append(self.imagine_step(belief, taken[-1], rollout, for_answer))
            belief = steps[-1].belief
            beliefs.append(belief)
            alives.append(alives[-1] * steps[-1].go_on)
        stacked = torch.stack(beliefs, 1)
        return Imagination(
            belief=stacked,
            action=torch.stack(taken, 1),
            reward=torch.stack([step.reward for step in steps], 1),
            alive=torch.stack(alives[:-1], 1),
            running=alives[-1],
            value=self.value(stacked),
            features=torch.stack([step.features for step in steps], 1),
            followed={name: torch.stack([step.followed[name] for step in steps], 1) for name in steps[0].followed},
            model=self.model,
            seed=seed if rollout == "sample" else None,
        )

    @torch.no_grad()
    def imagine_step(self, belief: Tensor, action: Tensor, rollout: RolloutMode, noise: Tensor) -> ImaginedStep:
        """One imagined step by stored actions `[B, *action]` from `belief: [B, D]`.

        Args:
            belief: `[B, D]`.
            action: stored, `[B, *action]`.
            rollout: see `imagine`.
            noise: uniforms `[B, transition_num_uniforms]`, read by `sample` alone.
        """
        return imagine_step(self.model, belief, action, rollout, noise)

    @torch.no_grad()
    def expected_step(
        self, belief: Tensor, action: Tensor, rollout: RolloutMode, noise: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """As `imagine_step`, but with the expected reward and the probability of going on, given the code.

        Returns:
            The next belief `[B, D]`, reward `[B]` and probability of going on `[B]`.
        """
        return expected_step(self.model, belief, action, rollout, noise)

    @torch.no_grad()
    def likely_reward(self, belief: Tensor, action: Tensor) -> Tensor:
        """The most likely reward `[B]` of stored actions `[B, *action]` at `belief: [B, D]` if the episode goes on."""
        afterstate = self.model.after(belief, self.model.embed_action(action))
        answer = self.model.transition(afterstate, self.model.likely_code(afterstate), [])
        return self.model.reward.mode(answer.reward[..., 0, :])
