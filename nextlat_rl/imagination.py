"""The one step of imagination: an action, the world's answer to it, and the next belief by the latent dynamics."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from nextlat_rl.models.nextlat import NextLat, TransitionParams, given_end

RolloutMode = Literal["open_loop", "argmax", "sample"]


class ImaginedStep(NamedTuple):
    """One imagined step from each of B beliefs."""

    belief: Tensor  # [B, D] after the step
    reward: Tensor  # [B]
    go_on: Tensor  # [B] probability that the episode goes on; 0 or 1 except open loop
    observation: dict[str, Tensor]  # leaf -> [B, *leaf]; the most likely one when open loop


@dataclass
class Imagination:
    """An imagined roll-out of K steps from a batch of B beliefs.

    `alive[:, k]` is the probability that the episode is still running before step k (0 or 1 in closed loop), so
    `(alive * reward).sum(1)` is the imagined return.
    """

    belief: Tensor  # [B, K + 1, D], the start included
    action: Tensor  # [B, K, *action]
    reward: Tensor  # [B, K]
    alive: Tensor  # [B, K]
    running: Tensor  # [B] probability that the episode still runs after step K - 1
    value: Tensor  # [B, K + 1]
    observation: dict[str, Tensor]  # leaf -> [B, K, *leaf], after step k; the most likely one when open loop

    def imagined_return(self, discount: float = 1.0) -> Tensor:
        """Discounted sum of the imagined rewards, `[B]`."""
        weight = discount ** torch.arange(self.reward.shape[1], device=self.reward.device)
        return (self.alive * self.reward * weight).sum(1)


def imagine_step(model: NextLat, belief: Tensor, action: Tensor, rollout: RolloutMode, noise: Tensor) -> ImaginedStep:
    """See `WorldModel.imagine_step`."""
    answer, drawn, _, after = _step(model, belief, action, rollout, noise)
    if drawn is None:
        _, _, observation = model.argmax_transition(answer)
        return ImaginedStep(after, model.expected_reward(answer), torch.sigmoid(-answer.end), observation)
    reward, end, observation = drawn
    return ImaginedStep(after, reward, (~end).to(belief.dtype), observation)


def expected_step(
    model: NextLat, belief: Tensor, action: Tensor, rollout: RolloutMode, noise: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """See `WorldModel.expected_step`."""
    answer, _, _, after = _step(model, belief, action, rollout, noise)
    return after, model.expected_reward(answer), torch.sigmoid(-answer.end)


def draft_step(model: NextLat, belief: Tensor, action: Tensor) -> tuple[Tensor, ...]:
    """See `WorldModel.draft_step`."""
    _, drawn, x, after = _step(model, belief, action, "draft", belief)
    assert drawn is not None
    reward, end, observation = drawn
    return after, x, reward, end, *observation.values()


_Answer = tuple[Tensor, Tensor, dict[str, Tensor]]
"""Reward `[B]`, end `[B]` bool, observation."""


def _step(
    model: NextLat, belief: Tensor, action: Tensor, rollout: RolloutMode | Literal["draft"], noise: Tensor
) -> tuple[TransitionParams, _Answer | None, Tensor, Tensor]:
    """The answer's distribution, the answer taken (None open loop), emb(x) `[B, D]` and the next belief `[B, D]`."""
    embedded = model.embed_action(action)
    answer = model.transition(model.after(belief, embedded))
    if rollout == "open_loop":
        x = model.embed_open_loop(embedded)
        return answer, None, x, model.dynamics(belief, x)
    if rollout == "sample":
        reward, end, observation = model.sample_transition(answer, noise)
    else:
        reward, end, observation = model.argmax_transition(answer)
    if rollout == "draft":  # a value that can be drawn, and so come true: the mode may lie between two of them
        reward = model.reward.likeliest_centre(given_end(answer.reward, end))
    x = model.embed_step(embedded, reward, observation, torch.zeros_like(end))
    return answer, (reward, end, observation), x, model.dynamics(belief, x)
