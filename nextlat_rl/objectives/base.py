"""What the baseline objectives share: the token that they predict, and what it costs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from nextlat_rl.objectives.weights import token_weights, weighted_mean

if TYPE_CHECKING:
    from nextlat_rl.models.nextlat import NextLat
    from nextlat_rl.objectives.objective import Forward, ObjectiveConfig
    from nextlat_rl.types import Batch, BatchIndex


class Baseline(nn.Module, ABC):
    """The modules that an objective needs in training only; acting uses the trunk and the heads alone."""

    @abstractmethod
    def losses(
        self, model: NextLat, batch: Batch, out: Forward, config: ObjectiveConfig, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Scalars that are added to the next-token losses, weight 1 each; `out` is the trunk's pass over the batch."""


def token_loss(
    model: NextLat, batch: Batch, out: Forward, state: Tensor, place: BatchIndex, config: ObjectiveConfig
) -> Tensor:
    """Mean negative log-likelihood of the tokens that follow columns `place`, read off `state: [R, D]`.

    The token after column c is x_{c+1} = (a_c, r_c, end_c, o_{c+1}). The model's own heads read it: the action off the
    state s itself, the world's answer off the afterstate After(s, a_c). Where actions are the tokens and nothing is
    observed this is the cross entropy of the token. All places must have an action; an o_{c+1} outside the window costs
    nothing, and 0 is the mean over no places. A prompt's tokens weigh `config.prompt_weight`.
    """
    row, column = place
    terminated, answered = batch.terminated[place], batch.has_next[place]
    after = (row, (column + 1).clamp_max(batch.has_next.shape[1] - 1))
    following = {name: leaf[after] for name, leaf in batch.observation.items()}
    answer = model.transition(model.after(state, out.action_embedding[place]))
    known = model.action.log_prob(model.action.head(state), batch.action[place])
    known = known + model.reward_log_prob(answer, batch.reward[place], terminated)
    known = known + model.end_log_prob(answer, terminated)
    seen = torch.where(answered, model.observation_loss(answer, following), 0.0)
    weight = token_weights(model, batch, config.prompt_weight)[place]
    return weighted_mean(config.observation_weight * seen - known, weight)


def ahead(batch: Batch, steps: int) -> BatchIndex:
    """The columns `[R]`, as places, whose episode still has an action `steps` columns later in the window."""
    segment = batch.segment
    reaches = (segment[:, : max(segment.shape[1] - steps, 0)] == segment[:, steps:]) & batch.has_action[:, steps:]
    row, column = reaches.nonzero(as_tuple=True)
    return row, column
