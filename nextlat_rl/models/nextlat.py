"""The NextLat model: a trunk that reads trajectories, latent dynamics that predict its next hidden state, and heads.

x_t      = (a_{t-1}, r_{t-1}, o_t)                 one position per environment step
h_t      = Trunk(x_0..x_t)                         belief
pi(a_t | h_t), V(h_t)                              policy and value
g_t      = After(h_t, a_t)                         afterstate: action taken, its outcome not known yet
p(end_t, r_t, o_{t+1} | g_t)                       transition: p(end | g) p(r | g, end) p(o | g)
h^_{t+1} = h_t + f(LN[h_t ; emb(x_{t+1})])         latent dynamics (arXiv 2511.05963, eq. 9)
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import reduce
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nextlat_rl.models.config import ModelConfig
from nextlat_rl.models.transformer import Transformer
from nextlat_rl.spaces import Codec, build_codec, build_scalar, leaves
from nextlat_rl.types import Spaces


@dataclass
class TransitionParams:
    """Parameters of p(end_t, r_t, o_{t+1} | g_t); the batch shape is the afterstate's."""

    end: Tensor  # [*B] logit of termination
    reward: Tensor  # [*B, 2, P], first given that the episode goes on, then given that it ends
    observation: dict[str, Tensor]  # leaf -> parameters


class NextLat(nn.Module):
    """Trunk, latent dynamics, and the policy, value, reward, termination and observation heads."""

    def __init__(self, spaces: Spaces, config: ModelConfig) -> None:
        super().__init__()
        self.spaces, self.config = spaces, config
        width = config.width
        statistics = spaces.statistics
        self.action = build_codec(spaces.action, width, statistics["action"], role="action")
        self.observation_codecs = nn.ModuleDict(
            {
                name: build_codec(space, width, statistics["observation"][name], role="observation")
                for name, space in leaves(spaces.observation).items()
            }
        )
        # In every space an observation then weighs as much in a token as the action and the reward.
        self.observation_norm = nn.LayerNorm(width)
        self.reward = build_scalar(width, statistics["reward"])
        self.value = build_scalar(width, statistics["value"])
        self.end = nn.Linear(width, 1)
        # Added to g_t where the episode ends. Many rewards come only then: with reward and end drawn independently an
        # imagined episode could get the reward and go on.
        self.ending = nn.Parameter(torch.zeros(width))
        self.start = nn.Parameter(0.02 * torch.randn(width))  # in place of a_{-1}, r_{-1}
        self.unseen = nn.Parameter(0.02 * torch.randn(width))  # in place of r, o in open-loop imagination
        self.trunk = Transformer(config)
        self.dynamics_net = nn.Sequential(
            nn.LayerNorm(2 * width),
            nn.Linear(2 * width, config.dynamics_width),
            nn.GELU(),
            nn.Linear(config.dynamics_width, config.dynamics_width),
            nn.GELU(),
            nn.Linear(config.dynamics_width, width),
        )
        self.after_net = nn.Sequential(
            nn.LayerNorm(2 * width), nn.Linear(2 * width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )
        # Modules that only training needs; see `nextlat_rl.objectives.registry.attach_training_modules`.
        self.baseline: nn.Module | None = None

    @property
    def observation(self) -> dict[str, Codec]:
        """The codecs of the observation's leaves."""
        return cast("dict[str, Codec]", self.observation_codecs)

    def embed_action(self, action: Tensor) -> Tensor:
        """`[*B, *action] -> [*B, D]`."""
        return self.action.embed(action)

    def embed_observation(self, observation: dict[str, Tensor]) -> Tensor:
        """Normalised sum of the leaves' embeddings, `[*B, D]`."""
        parts = [codec.embed(observation[name]) for name, codec in self.observation.items()]
        return self.observation_norm(reduce(torch.add, parts))

    def embed_step(
        self, action_embedding: Tensor, reward: Tensor, observation: dict[str, Tensor], is_first: Tensor
    ) -> Tensor:
        """emb(x_t), `[*B, D]`, from emb(a_{t-1}) `[*B, D]`, r_{t-1} `[*B]`, o_t and whether t = 0 `[*B]`."""
        before = torch.where(is_first[..., None], self.start, action_embedding + self.reward.embed(reward))
        return before + self.embed_observation(observation)

    def embed_open_loop(self, action_embedding: Tensor) -> Tensor:
        """emb(x_t) when only a_{t-1} is known, `[*B, D] -> [*B, D]`."""
        return action_embedding + self.unseen

    def dynamics(self, belief: Tensor, step_embedding: Tensor) -> Tensor:
        """h^_{t+1} `[*B, D]` from h_t and emb(x_{t+1}), both `[*B, D]` (eq. 9)."""
        return belief + self.dynamics_net(torch.cat((belief, step_embedding), dim=-1))

    def after(self, belief: Tensor, action_embedding: Tensor) -> Tensor:
        """Afterstate g_t `[*B, D]`."""
        return belief + self.after_net(torch.cat((belief, action_embedding), dim=-1))

    def transition(self, afterstate: Tensor) -> TransitionParams:
        """Parameters of p(end_t, r_t, o_{t+1} | g_t) for afterstates `[*B, D]`."""
        return TransitionParams(
            end=self.end(afterstate).squeeze(-1),
            reward=self.reward.head(torch.stack((afterstate, afterstate + self.ending), dim=-2)),
            observation={name: codec.head(afterstate) for name, codec in self.observation.items()},
        )

    def expected_reward(self, transition: TransitionParams) -> Tensor:
        """E[r_t | g_t], `[*B]`."""
        given = self.reward.mean(transition.reward)
        return torch.lerp(given[..., 0], given[..., 1], torch.sigmoid(transition.end))

    def reward_log_prob(self, transition: TransitionParams, reward: Tensor, end: Tensor) -> Tensor:
        """log p(r_t | g_t, end_t), `[*B]`."""
        return self.reward.log_prob(given_end(transition.reward, end), reward)

    def end_log_prob(self, transition: TransitionParams, end: Tensor) -> Tensor:
        """log p(end_t | g_t), `[*B]`."""
        return -F.binary_cross_entropy_with_logits(transition.end, end.to(transition.end.dtype), reduction="none")

    def reward_and_end_kl(self, p: TransitionParams, q: TransitionParams) -> Tensor:
        """KL(p || q) of the joint distribution of r_t and end_t, `[*B]`."""
        ends = torch.sigmoid(p.end)
        given = self.reward.kl(p.reward, q.reward)
        return bernoulli_kl(p.end, q.end) + torch.lerp(given[..., 0], given[..., 1], ends)

    def observation_loss(self, transition: TransitionParams, observation: dict[str, Tensor]) -> Tensor:
        """The codecs' losses for o_{t+1} given g_t, `[*B]`, summed over the leaves."""
        parts = [c.loss(transition.observation[name], observation[name]) for name, c in self.observation.items()]
        return torch.stack(parts).sum(0)

    def observation_kl(self, p: TransitionParams, q: TransitionParams) -> Tensor:
        """KL(p || q) of the observation part, `[*B]`."""
        parts = [c.kl(p.observation[name], q.observation[name]) for name, c in self.observation.items()]
        return torch.stack(parts).sum(0)

    @property
    def transition_num_uniforms(self) -> int:
        """Number of uniforms that `sample_transition` takes per element."""
        return self.reward.num_uniforms + 1 + sum(codec.num_uniforms for codec in self.observation.values())

    def sample_transition(
        self, transition: TransitionParams, uniform: Tensor
    ) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Draw reward `[*B]`, end `[*B]` bool and observation from `uniform: [*B, transition_num_uniforms]`."""
        sizes = [self.reward.num_uniforms, 1, *(codec.num_uniforms for codec in self.observation.values())]
        for_reward, for_end, *for_leaves = uniform.split(sizes, dim=-1)
        observation = {
            name: codec.sample(transition.observation[name], noise)
            for (name, codec), noise in zip(self.observation.items(), for_leaves, strict=True)
        }
        end = for_end.squeeze(-1) < torch.sigmoid(transition.end)
        return self.reward.sample(given_end(transition.reward, end), for_reward), end, observation

    def argmax_transition(self, transition: TransitionParams) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """The most likely reward `[*B]`, end `[*B]` bool and observation, part by part."""
        observation = {name: codec.mode(transition.observation[name]) for name, codec in self.observation.items()}
        end = transition.end > 0
        return self.reward.mode(given_end(transition.reward, end)), end, observation

    @contextmanager
    def frozen_heads(self) -> Iterator[None]:
        """Context in which the heads pass gradients on but collect none (the frozen output head of eq. 5)."""
        modules = (self.action, self.observation_codecs, self.reward, self.value, self.end, self.after_net)
        heads = (self.ending, *(p for module in modules for p in module.parameters()))
        parameters = [p for p in heads if p.requires_grad]
        for parameter in parameters:
            parameter.requires_grad_(False)
        try:
            yield
        finally:
            for parameter in parameters:
                parameter.requires_grad_(True)


def given_end(reward: Tensor, end: Tensor) -> Tensor:
    """The reward's parameters `[*B, P]` for a known `end: [*B]` bool, from `[*B, 2, P]`."""
    return torch.where(end[..., None], reward[..., 1, :], reward[..., 0, :])


def bernoulli_kl(p: Tensor, q: Tensor) -> Tensor:
    """KL between Bernoulli distributions given by logits, elementwise."""
    probability = torch.sigmoid(p)
    return probability * (F.logsigmoid(p) - F.logsigmoid(q)) + (1 - probability) * (F.logsigmoid(-p) - F.logsigmoid(-q))
