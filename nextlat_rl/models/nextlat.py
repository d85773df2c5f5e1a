"""The NextLat model: a trunk that reads trajectories, latent dynamics that predict its next hidden state, and heads.

x_t      = (a_{t-1}, r_{t-1}, o_t)                 one position per environment step
h_t      = Trunk(x_0..x_t)                         belief
pi(a_t | h_t), V(h_t)                              policy and value
g_t      = After(h_t, a_t)                         afterstate: action taken, its outcome not known yet
p(z | g_t)                                         code of the answer, autoregressive; see `code.py`
p(end_t, r_t, o_{t+1} | g_t, z)                    the answer: p(end | g, z) p(r | g, z, end) p(o | g, z)
h^_{t+1} = h_t + f(LN[h_t ; emb(x_{t+1})])         latent dynamics (arXiv 2511.05963, eq. 9)

Numbers of a continuous observation are predicted as changes, so a belief carries N of them beside the D of the hidden
state, and so does an embedded step: both are `[*B, D + N]`. N is 0 where no part of the observation is continuous.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import reduce
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nextlat_rl.models.code import AnswerCode
from nextlat_rl.models.config import ModelConfig
from nextlat_rl.models.transformer import KVCache, Transformer
from nextlat_rl.models.transition import TransitionParams
from nextlat_rl.spaces import Codec, build_codec, build_scalar, leaves, reward_support
from nextlat_rl.spaces.box import BoxCodec
from nextlat_rl.types import Spaces

_SMALLEST = 1e-3  # weight of a norm that is divided by


class NextLat(nn.Module):
    """Trunk, latent dynamics, and the policy, value, reward, termination and observation heads.

    Attributes:
        belief_size: D + N.
        num_numbers: N.
        observation: the codecs of the observation's leaves, by their names.
        followed: leaves that are drawn at every imagined step; the others are decoded only if somebody looks.
    """

    code: AnswerCode | None
    reward_support: Tensor

    def __init__(self, spaces: Spaces, config: ModelConfig) -> None:
        super().__init__()
        self.spaces, self.config = spaces, config
        width, statistics = config.width, spaces.statistics
        self.observation: dict[str, Codec] = {
            name: build_codec(space, width, statistics["observation"][name], role="observation")
            for name, space in leaves(spaces.observation).items()
        }
        # Registers the same codecs, under names that modules may have.
        self.observation_codecs = nn.ModuleDict({_module_name(name): c for name, c in self.observation.items()})
        self._numeric = [name for name, codec in self.observation.items() if relative(codec)]
        self.num_numbers = sum(self.observation[name].num_uniforms for name in self._numeric)
        self.belief_size = width + self.num_numbers
        self.action = build_codec(spaces.action, width, statistics["action"], "action", self.belief_size)
        # In every space an observation then weighs as much in a token as the action and the reward.
        self.observation_norm = nn.LayerNorm(width)
        self.reward = build_scalar(width, statistics["reward"])
        self.register_buffer("reward_support", reward_support(self.reward, statistics["reward"]), persistent=False)
        self.value = build_scalar(width, statistics["value"], self.belief_size)
        self.end = nn.Linear(width, 1)
        # Added to g_t where the episode ends. Many rewards come only then: with reward and end drawn independently an
        # imagined episode could get the reward and go on.
        self.ending = nn.Parameter(torch.zeros(width))
        self.start = nn.Parameter(0.02 * torch.randn(width))  # in place of a_{-1}, r_{-1}
        self.trunk = Transformer(config)
        self.input_norm = nn.LayerNorm(2 * width)
        self.dynamics_net = nn.Sequential(
            nn.Linear(2 * self.belief_size, config.dynamics_width),
            nn.GELU(),
            nn.Linear(config.dynamics_width, config.dynamics_width),
            nn.GELU(),
            nn.Linear(config.dynamics_width, width),
        )
        self.after_norm = nn.LayerNorm(2 * width)
        self.after_net = nn.Sequential(
            nn.Linear(2 * width + self.num_numbers, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )
        self.code = self.decode_net = None
        if wants_code(config, self.observation):
            self.code = AnswerCode(width, config.code_groups, config.code_classes, config.code_width)
            self.decode_net = nn.Sequential(
                nn.LayerNorm(2 * width),
                nn.Linear(2 * width, config.code_width),
                nn.GELU(),
                nn.Linear(config.code_width, width),
            )
        self.followed = list(self.observation) if self.code is None else self._numeric
        # Modules that only training needs; see `nextlat_rl.objectives.registry.attach_training_modules`.
        self.baseline: nn.Module | None = None
        self.float()  # as checkpoints and data are, whatever torch's default is

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
        """emb(x_t), `[*B, D + N]`, from emb(a_{t-1}) `[*B, D]`, r_{t-1} `[*B]`, o_t and whether t = 0 `[*B]`."""
        before = torch.where(is_first[..., None], self.start, action_embedding + self.reward.embed(reward))
        return self.with_numbers(before + self.embed_observation(observation), observation)

    def embed_code_step(self, action_embedding: Tensor, code: Tensor, observation: dict[str, Tensor]) -> Tensor:
        """emb(x_t) `[*B, D + N]` of an imagined step: the code `[*B, G]` stands for all but the numbers of o_t."""
        assert self.code is not None
        parts = [action_embedding, self.code.embed(code)]
        parts += [self.observation[name].embed(observation[name]) for name in self._numeric]
        return self.with_numbers(reduce(torch.add, parts), observation)

    def with_numbers(self, hidden: Tensor, observation: dict[str, Tensor]) -> Tensor:
        """`[*B, D]` with the normalised numbers of an observation behind, `[*B, D + N]`."""
        if not self._numeric:
            return hidden
        numbers = [cast("BoxCodec", self.observation[name]).normalised(observation[name]) for name in self._numeric]
        return torch.cat((hidden, *numbers), dim=-1)

    def split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """`[*B, D + N]` to `[*B, D]` and `[*B, N]`."""
        width = self.config.width
        return x[..., :width], x[..., width:]

    def beliefs(self, x: Tensor, segment: Tensor) -> Tensor:
        """h_t `[B, L, D + N]` of embedded steps `[B, L, D + N]`; see `Transformer.forward`."""
        embedding, numbers = self.split(x)
        return torch.cat((self.trunk(embedding, segment), numbers), dim=-1) if self._numeric else self.trunk(x, segment)

    def extend(self, x: Tensor, cache: KVCache) -> Tensor:
        """h_t `[B, K, D + N]` after further steps `[B, K, D + N]`; see `Transformer.extend`."""
        embedding, numbers = self.split(x)
        hidden = self.trunk.extend(embedding, cache)
        return torch.cat((hidden, numbers), dim=-1) if self._numeric else hidden

    def dynamics(self, belief: Tensor, step_embedding: Tensor) -> Tensor:
        """h^_{t+1} from h_t and emb(x_{t+1}), all `[*B, D + N]` (eq. 9); its numbers are those of x_{t+1}.

        With a code the result is one that the trunk's final norm can give, so that no roll-out grows without bounds.
        """
        hidden, numbers = self.split(belief)
        embedding, following = self.split(step_embedding)
        joined = self.input_norm(torch.cat((hidden, embedding), dim=-1))
        if self._numeric:
            joined = torch.cat((joined, numbers, following), dim=-1)
        after = hidden + self.dynamics_net(joined)
        if self.code is not None:
            after = self._normalised(after)
        return torch.cat((after, following), dim=-1) if self._numeric else after

    def _normalised(self, hidden: Tensor) -> Tensor:
        """The nearest result of the trunk's final norm, `[*B, D]`, in units of its weights; they get no gradient."""
        norm = self.trunk.norm
        weight, bias = norm.weight.detach(), norm.bias.detach()
        weight = torch.where(weight.abs() < _SMALLEST, _SMALLEST, weight)
        return F.layer_norm((hidden - bias) / weight, hidden.shape[-1:], weight, bias)

    def after(self, belief: Tensor, action_embedding: Tensor) -> Tensor:
        """Afterstate g_t `[*B, D + N]` of h_t `[*B, D + N]` and emb(a_t) `[*B, D]`."""
        hidden, numbers = self.split(belief)
        joined = self.after_norm(torch.cat((hidden, action_embedding), dim=-1))
        if not self._numeric:
            return hidden + self.after_net(joined)
        after = hidden + self.after_net(torch.cat((joined, numbers), dim=-1))
        return torch.cat((after, numbers), dim=-1)

    def transition(
        self, afterstate: Tensor, code: Tensor | None = None, leaves: list[str] | None = None
    ) -> TransitionParams:
        """Parameters of p(end_t, r_t, o_{t+1} | g_t, z), part by part.

        Args:
            afterstate: `[*B, D + N]`.
            code: `[*B, G]`, or a straight-through sample `[*B, G, C]`; None, or a model without a code, gives each
                part's own distribution p(. | g_t).
            leaves: of the observation; by default all.
        """
        features, numbers = self.split(afterstate)
        if code is not None and self.code is not None and self.decode_net is not None:
            features = features + self.decode_net(torch.cat((features, self.code.embed(code)), dim=-1))
        reward = self.reward.head(torch.stack((features, features + self.ending), dim=-2))
        decoded = torch.cat((features, numbers), dim=-1)
        return TransitionParams(
            end=self.end(features).squeeze(-1),
            reward=reward + self.reward_support,
            observation=self.observation_params(decoded, leaves),
            features=decoded,
        )

    def observation_params(self, features: Tensor, names: list[str] | None = None) -> dict[str, Tensor]:
        """Parameters of the observation's leaves from decoded features `[*B, D + N]`."""
        hidden, numbers = self.split(features)
        before = dict(zip(self._numeric, numbers.split(self._sizes, dim=-1), strict=True)) if self._numeric else {}
        parameters = {}
        for name in self.observation if names is None else names:
            codec = self.observation[name]
            parameters[name] = codec.head(hidden)
            if name in before:
                parameters[name] = cast("BoxCodec", codec).after_change(parameters[name], before[name])
        return parameters

    @property
    def _sizes(self) -> list[int]:
        return [self.observation[name].num_uniforms for name in self._numeric]

    def no_code(self, afterstate: Tensor) -> Tensor:
        """The code of a model without one, `[*B, 0]`."""
        return torch.zeros((*afterstate.shape[:-1], 0), dtype=torch.long, device=afterstate.device)

    def sample_code(self, afterstate: Tensor, uniform: Tensor) -> Tensor:
        """z `[*B, G]` drawn from p(z | g) with `uniform: [*B, G]`."""
        return self.no_code(afterstate) if self.code is None else self.code.sample(self.split(afterstate)[0], uniform)

    def likely_code(self, afterstate: Tensor) -> Tensor:
        """The most likely z `[*B, G]`, group by group."""
        return self.no_code(afterstate) if self.code is None else self.code.mode(self.split(afterstate)[0])

    def code_prior(self, afterstate: Tensor, code: Tensor) -> Tensor:
        """Logits `[*B, G, C]` of p(z_i | g, z_<i) for codes `[*B, G]`; `[*B, 0, 1]` without a code."""
        if self.code is None:
            return afterstate.new_zeros((*afterstate.shape[:-1], 0, 1))
        return self.code.prior(self.split(afterstate)[0], code)

    @property
    def num_groups(self) -> int:
        """G; 0 without a code."""
        return 0 if self.code is None else self.code.groups

    @contextmanager
    def frozen_heads(self) -> Iterator[None]:
        """Context in which the heads pass gradients on but collect none (the frozen output head of eq. 5)."""
        modules = [self.action, self.observation_codecs, self.reward, self.value, self.end, self.after_norm]
        modules += [module for module in (self.after_net, self.code, self.decode_net) if module is not None]
        heads = (self.ending, *(p for module in modules for p in module.parameters()))
        parameters = [p for p in heads if p.requires_grad]
        for parameter in parameters:
            parameter.requires_grad_(False)
        try:
            yield
        finally:
            for parameter in parameters:
                parameter.requires_grad_(True)


def _module_name(leaf: str) -> str:
    """A name for the leaf's codec that `ModuleDict` takes: no dots, and none of its own attributes."""
    plain = leaf and "." not in leaf and not leaf.startswith("leaf:") and not hasattr(nn.ModuleDict(), leaf)
    return leaf if plain else "leaf:" + leaf.replace("%", "%25").replace(".", "%2E")


def relative(codec: Codec) -> bool:
    """Whether the codec predicts numbers as changes."""
    return isinstance(codec, BoxCodec) and codec.relative


def wants_code(config: ModelConfig, observation: dict[str, Codec]) -> bool:
    """Whether the model has a code: as configured, or if the observation has more than one part to tie together."""
    if config.answer != "auto":
        return config.answer == "joint"
    return sum(codec.num_uniforms for codec in observation.values()) > 1
