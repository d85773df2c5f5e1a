"""The joint answer's losses: the code's prior and encoder, and the answer given the code.

The trunk learns from each part of the answer by itself; these losses do not train it.
"""

from dataclasses import dataclass

from torch import Tensor

from nextlat_rl.models.answer import end_log_prob, observation_loss, reward_log_prob
from nextlat_rl.models.code import straight_through
from nextlat_rl.models.nextlat import NextLat
from nextlat_rl.models.transition import TransitionParams
from nextlat_rl.objectives.config import ObjectiveConfig
from nextlat_rl.objectives.forward import Forward
from nextlat_rl.objectives.weights import token_weights, weighted_mean
from nextlat_rl.types import Batch, BatchIndex


@dataclass
class JointAnswer:
    """The joint answer at R positions of a batch, each followed by a step."""

    prior: Tensor  # [R, G, C] logits of p(z_i | g_t, z_<i)
    posterior: Tensor  # [R, G, C] the encoder's logits
    transition: TransitionParams  # [R, P] given z_t


def followed_positions(batch: Batch) -> BatchIndex:
    """All positions that a step follows, those with a code."""
    row, column = batch.has_next.nonzero(as_tuple=True)
    return row, column


def joint_answer(model: NextLat, batch: Batch, out: Forward, at: BatchIndex) -> JointAnswer:
    """The joint answer at the positions `at: [R]`, given the codes of `out`."""
    assert model.code is not None
    row, column = at
    afterstate, code = out.afterstate[at].detach(), out.code[at]
    following = model.split(out.step_embedding[row, column + 1].detach())[0]
    posterior = model.code.posterior(model.split(afterstate)[0], following, batch.terminated[at])
    transition = model.transition(afterstate, straight_through(posterior, code))
    return JointAnswer(model.code_prior(afterstate, code), posterior, transition)


def joint_losses(
    model: NextLat, batch: Batch, out: Forward, config: ObjectiveConfig, at: BatchIndex
) -> dict[str, Tensor]:
    """`joint`, `code_prior` and `code_encoder`, means over the positions `at: [R]`, as unweighted scalars.

    The divergence counts twice, as in DreamerV3 (arXiv 2301.04104): the prior is to follow the encoder more than the
    encoder the prior.
    """
    assert model.code is not None
    answer = joint_answer(model, batch, out, at)
    weight = token_weights(model, batch, config.prompt_weight)[at]
    return {
        "joint": weighted_mean(answer_loss(model, batch, answer.transition, at), weight),
        "code_prior": weighted_mean(model.code.kl(answer.posterior.detach(), answer.prior), weight),
        "code_encoder": weighted_mean(model.code.kl(answer.posterior, answer.prior.detach()), weight),
    }


def answer_loss(model: NextLat, batch: Batch, transition: TransitionParams, at: BatchIndex) -> Tensor:
    """What end, reward and observation that follow the positions `at: [R]` cost, `[R]`."""
    row, column = at
    following = {name: leaf[row, column + 1] for name, leaf in batch.observation.items()}
    loss = observation_loss(model, transition, following) - end_log_prob(transition, batch.terminated[at])
    return loss - reward_log_prob(model, transition, batch.reward[at], batch.terminated[at])
