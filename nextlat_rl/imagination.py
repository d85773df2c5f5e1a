"""The one step of imagination: an action, the world's answer to it, and the next belief by the latent dynamics.

Where the model has a code, an imagined step is an action and a code: the dynamics reads the code's embedding, and the
observation is decoded only if somebody looks. Numbers are drawn at every step, because the next ones are changes of
them.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from nextlat_rl.models.answer import (
    Answer,
    expected_reward,
    given_end,
    likely_answer,
    num_uniforms,
    sample_answer,
    sample_observation,
)
from nextlat_rl.models.nextlat import NextLat
from nextlat_rl.models.transition import TransitionParams
from nextlat_rl.noise import uniform

RolloutMode = Literal["argmax", "sample"]

_LOOK = 7_919  # keys the noise of looking apart from that of the steps


class ImaginedStep(NamedTuple):
    """One imagined step from each of B beliefs."""

    belief: Tensor  # [B, D + N] after the step
    reward: Tensor  # [B]
    go_on: Tensor  # [B] 1 while the episode goes on, else 0
    features: Tensor  # [B, D + N] decoded from the afterstate and the code, for `look`
    followed: dict[str, Tensor]  # leaf -> [B, *leaf], the leaves that are drawn at every step


@dataclass
class Imagination:
    """An imagined roll-out of K steps from a batch of B beliefs.

    `alive[:, k]` is 1 while the episode is still running before step k, so `(alive * reward).sum(1)` is the imagined
    return.
    """

    belief: Tensor  # [B, K + 1, D + N], the start included
    action: Tensor  # [B, K, *action]
    reward: Tensor  # [B, K]
    alive: Tensor  # [B, K]
    running: Tensor  # [B] 1 where the episode still runs after step K - 1
    value: Tensor  # [B, K + 1]
    features: Tensor  # [B, K, D + N] see `ImaginedStep`
    followed: dict[str, Tensor]  # leaf -> [B, K, *leaf]
    model: NextLat
    seed: int | None  # of the observations' noise; None for the most likely ones

    @cached_property
    def observation(self) -> dict[str, Tensor]:
        """leaf -> `[B, K, *leaf]`, after step k; decoded at the first look."""
        batch, steps = self.reward.shape
        flat = self.features.flatten(0, 1)
        noise = None
        if self.seed is not None:
            rows = torch.arange(batch, device=flat.device).repeat_interleave(steps)
            columns = torch.arange(steps, device=flat.device).repeat(batch)
            noise = uniform(self.seed + _LOOK, rows, columns, look_num_uniforms(self.model))
        seen = look(self.model, flat, noise)
        leaves = {name: leaf.unflatten(0, (batch, steps)) for name, leaf in seen.items()}
        return {name: self.followed.get(name, leaves.get(name)) for name in self.model.observation}  # type: ignore[misc]

    def imagined_return(self, discount: float = 1.0) -> Tensor:
        """Discounted sum of the imagined rewards, `[B]`."""
        weight = discount ** torch.arange(self.reward.shape[1]).to(self.reward)
        return (self.alive * self.reward * weight).sum(1)


def step_num_uniforms(model: NextLat) -> int:
    """How many uniforms an imagined step takes per element."""
    return num_uniforms(model, model.followed)


def look_num_uniforms(model: NextLat) -> int:
    """How many uniforms `look` takes per element."""
    return sum(codec.num_uniforms for name, codec in model.observation.items() if name not in model.followed)


@torch.no_grad()
def look(model: NextLat, features: Tensor, noise: Tensor | None) -> dict[str, Tensor]:
    """The leaves that imagined steps do not draw, leaf -> `[B, *leaf]`.

    Args:
        model: the network.
        features: `[B, D + N]` of imagined steps.
        noise: `[B, look_num_uniforms]` in [0, 1); None gives the most likely values.
    """
    parameters = model.observation_params(features, [name for name in model.observation if name not in model.followed])
    if noise is None:
        return {name: model.observation[name].mode(p) for name, p in parameters.items()}
    return sample_observation(model, parameters, noise)


def imagine_step(model: NextLat, belief: Tensor, action: Tensor, rollout: RolloutMode, noise: Tensor) -> ImaginedStep:
    """See `WorldModel.imagine_step`."""
    answer, transition, after = _step(model, belief, action, rollout, noise)
    go_on = (~answer.end).to(belief.dtype)
    return ImaginedStep(after, answer.reward, go_on, transition.features, answer.observation)


def expected_step(
    model: NextLat, belief: Tensor, action: Tensor, rollout: RolloutMode, noise: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """See `WorldModel.expected_step`."""
    _, transition, after = _step(model, belief, action, rollout, noise)
    return after, expected_reward(model, transition), torch.sigmoid(-transition.end)


def draft_step(model: NextLat, belief: Tensor, action: Tensor) -> tuple[Tensor, ...]:
    """See `WorldModel.draft_step`."""
    embedded = model.embed_action(action)
    answer, transition = likely_answer(model, model.after(belief, embedded))
    # A value that can be drawn, and so come true: the mode may lie between two of them.
    reward = model.reward.likeliest_centre(given_end(transition.reward, answer.end))
    x = model.embed_step(embedded, reward, answer.observation, torch.zeros_like(answer.end))
    after = next_belief(model, belief, embedded, answer)
    return after, x, answer.code, reward, answer.end, *answer.observation.values()


def next_belief(model: NextLat, belief: Tensor, action_embedding: Tensor, answer: Answer) -> Tensor:
    """The belief `[*B, D + N]` after an answer, by the latent dynamics; in code where the model has one."""
    if model.code is not None:
        x = model.embed_code_step(action_embedding, answer.code, answer.observation)
    else:
        x = model.embed_step(action_embedding, answer.reward, answer.observation, torch.zeros_like(answer.end))
    return model.dynamics(belief, x)


def _step(
    model: NextLat, belief: Tensor, action: Tensor, rollout: RolloutMode, noise: Tensor
) -> tuple[Answer, TransitionParams, Tensor]:
    """The answer, the distribution it came from, and the next belief `[B, D + N]`."""
    embedded = model.embed_action(action)
    afterstate = model.after(belief, embedded)
    if rollout == "sample":
        answer, transition = sample_answer(model, afterstate, noise, model.followed)
    else:
        answer, transition = likely_answer(model, afterstate, model.followed)
    return answer, transition, next_belief(model, belief, embedded, answer)
