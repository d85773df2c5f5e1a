"""The loss of a whole token given some state, which the multi-token baselines share."""

import torch
import torch.nn.functional as F
from torch import Tensor

from nextlat_rl.models.answer import end_log_prob, observation_loss, reward_log_prob
from nextlat_rl.models.nextlat import NextLat
from nextlat_rl.objectives.config import ObjectiveConfig
from nextlat_rl.objectives.forward import Forward
from nextlat_rl.objectives.weights import token_weights, weighted_mean
from nextlat_rl.types import Batch, BatchIndex, taken


def token_loss(
    model: NextLat, batch: Batch, out: Forward, state: Tensor, at: BatchIndex, config: ObjectiveConfig
) -> Tensor:
    """Mean negative log-likelihood of the tokens that follow the positions `at`, predicted from `state: [R, D]`.

    The token after column c is x_{c+1} = (a_c, r_c, end_c, o_{c+1}). The model's own heads predict it: the action from
    the state s, the rest from the afterstate After(s, a_c), part by part. Where actions are the tokens and nothing is
    observed, this is the cross entropy of the token. A prompt's tokens weigh `config.prompt_weight`.

    All R positions must have an action. An o_{c+1} outside the window costs nothing; with R = 0 the mean is 0.
    """
    row, column = at
    # These states know no numbers of the last observation: changes are predicted from the mean.
    state = F.pad(state, (0, model.num_numbers))
    terminated, has_next = batch.terminated[at], batch.has_next[at]
    after = (row, (column + 1).clamp_max(batch.has_next.shape[1] - 1))
    following = {name: leaf[after] for name, leaf in batch.observation.items()}
    transition = model.transition(model.after(state, taken(out.action_embedding, at)))
    known = model.action.log_prob(model.action.head(state), batch.action[at])
    known = known + reward_log_prob(model, transition, batch.reward[at], terminated)
    known = known + end_log_prob(transition, terminated)
    seen = torch.where(has_next, observation_loss(model, transition, following), 0.0)
    weight = token_weights(model, batch, config.prompt_weight)[at]
    return weighted_mean(config.observation_weight * seen - known, weight)


def positions_ahead(batch: Batch, steps: int) -> BatchIndex:
    """The positions `[R]` whose episode still has an action `steps` columns later in the window."""
    segment = batch.segment
    reaches = (segment[:, : max(segment.shape[1] - steps, 0)] == segment[:, steps:]) & batch.has_action[:, steps:]
    row, column = reaches.nonzero(as_tuple=True)
    return row, column
