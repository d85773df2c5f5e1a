"""The world's answer to an action given its code: end, reward and observation, as distributions and as draws."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from nextlat_rl.models.nextlat import NextLat
from nextlat_rl.models.transition import TransitionParams


class Answer(NamedTuple):
    """A draw of what follows an action."""

    code: Tensor  # [*B, G]
    reward: Tensor  # [*B]
    end: Tensor  # [*B] bool
    observation: dict[str, Tensor]  # leaf -> [*B, *leaf] in stored form


def expected_reward(model: NextLat, transition: TransitionParams) -> Tensor:
    """E[r_t | g_t, z], `[*B]`."""
    given = model.reward.mean(transition.reward)
    return torch.lerp(given[..., 0], given[..., 1], torch.sigmoid(transition.end))


def reward_log_prob(model: NextLat, transition: TransitionParams, reward: Tensor, end: Tensor) -> Tensor:
    """log p(r_t | g_t, z, end_t), `[*B]`."""
    return model.reward.log_prob(given_end(transition.reward, end), reward)


def end_log_prob(transition: TransitionParams, end: Tensor) -> Tensor:
    """log p(end_t | g_t, z), `[*B]`."""
    return -F.binary_cross_entropy_with_logits(transition.end, end.to(transition.end.dtype), reduction="none")


def observation_log_prob(model: NextLat, transition: TransitionParams, observation: dict[str, Tensor]) -> Tensor:
    """log p(o_{t+1} | g_t, z), `[*B]`; a density where a leaf is continuous."""
    parts = [c.log_prob(transition.observation[name], observation[name]) for name, c in model.observation.items()]
    return torch.stack(parts).sum(0)


def reward_and_end_kl(model: NextLat, p: TransitionParams, q: TransitionParams) -> Tensor:
    """KL(p || q) of the joint distribution of r_t and end_t, `[*B]`."""
    ends = torch.sigmoid(p.end)
    given = model.reward.kl(p.reward, q.reward)
    return bernoulli_kl(p.end, q.end) + torch.lerp(given[..., 0], given[..., 1], ends)


def observation_loss(model: NextLat, transition: TransitionParams, observation: dict[str, Tensor]) -> Tensor:
    """The codecs' losses for o_{t+1}, `[*B]`, summed over the leaves."""
    parts = [c.loss(transition.observation[name], observation[name]) for name, c in model.observation.items()]
    return torch.stack(parts).sum(0)


def observation_kl(model: NextLat, p: TransitionParams, q: TransitionParams) -> Tensor:
    """KL(p || q) of the observation part, `[*B]`."""
    parts = [c.kl(p.observation[name], q.observation[name]) for name, c in model.observation.items()]
    return torch.stack(parts).sum(0)


def num_uniforms(model: NextLat, leaves: list[str] | None = None) -> int:
    """How many uniforms `sample_answer` takes per element for these leaves, by default all."""
    names = list(model.observation) if leaves is None else leaves
    return model.num_groups + 1 + model.reward.num_uniforms + sum(model.observation[n].num_uniforms for n in names)


def sample_answer(
    model: NextLat, afterstate: Tensor, uniform: Tensor, leaves: list[str] | None = None
) -> tuple[Answer, TransitionParams]:
    """Draw code, end, reward and observation at g_t `[*B, D + N]`.

    Args:
        model: the network.
        afterstate: `[*B, D + N]`.
        uniform: `[*B, num_uniforms]` in [0, 1).
        leaves: of the observation to draw; by default all.
    """
    for_code, for_rest = split_off(uniform, model.num_groups)
    return sample_given_code(model, afterstate, model.sample_code(afterstate, for_code), for_rest, leaves)


def sample_given_code(
    model: NextLat, afterstate: Tensor, code: Tensor, uniform: Tensor, leaves: list[str] | None = None
) -> tuple[Answer, TransitionParams]:
    """`sample_answer` for a known code `[*B, G]`, with the uniforms that are left, `[*B, num_uniforms - G]`."""
    names = list(model.observation) if leaves is None else leaves
    for_reward, rest = split_off(uniform, model.reward.num_uniforms)
    for_end, for_leaves = split_off(rest, 1)
    transition = model.transition(afterstate, code, names)
    end = for_end.squeeze(-1) < torch.sigmoid(transition.end)
    reward = model.reward.sample(given_end(transition.reward, end), for_reward)
    observation = sample_observation(model, transition.observation, for_leaves)
    return Answer(code, reward, end, observation), transition


def split_off(uniform: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The first `count` of the uniforms `[*B, N]`, and the others."""
    return uniform[..., :count], uniform[..., count:]


def sample_observation(model: NextLat, parameters: dict[str, Tensor], uniform: Tensor) -> dict[str, Tensor]:
    """Draw the leaves that `parameters` has, from `uniform: [*B, sum of their num_uniforms]`."""
    noise = uniform.split([model.observation[name].num_uniforms for name in parameters], dim=-1)
    return {name: model.observation[name].sample(p, u) for (name, p), u in zip(parameters.items(), noise, strict=True)}


def likely_answer(
    model: NextLat, afterstate: Tensor, leaves: list[str] | None = None
) -> tuple[Answer, TransitionParams]:
    """The most likely code, group by group, and given it the most likely end, reward and leaves."""
    code = model.likely_code(afterstate)
    transition = model.transition(afterstate, code, leaves)
    end = transition.end > 0
    reward = model.reward.mode(given_end(transition.reward, end))
    observation = {name: model.observation[name].mode(p) for name, p in transition.observation.items()}
    return Answer(code, reward, end, observation), transition


def given_end(reward: Tensor, end: Tensor) -> Tensor:
    """The reward's parameters `[*B, P]` for a known `end: [*B]` bool, from `[*B, 2, P]`."""
    return torch.where(end[..., None], reward[..., 1, :], reward[..., 0, :])


def bernoulli_kl(p: Tensor, q: Tensor) -> Tensor:
    """KL between Bernoulli distributions given by logits, elementwise."""
    probability = torch.sigmoid(p)
    return probability * (F.logsigmoid(p) - F.logsigmoid(q)) + (1 - probability) * (F.logsigmoid(-p) - F.logsigmoid(-q))
