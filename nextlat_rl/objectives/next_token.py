"""The next-token losses: policy, value, reward, termination and observation."""

import torch
from torch import Tensor

from nextlat_rl.models.answer import end_log_prob, observation_loss, reward_log_prob
from nextlat_rl.models.nextlat import NextLat
from nextlat_rl.objectives.config import ObjectiveConfig
from nextlat_rl.objectives.forward import Forward
from nextlat_rl.objectives.returns import lambda_returns
from nextlat_rl.objectives.weights import token_weights, weighted_mean
from nextlat_rl.types import Batch


def next_token_losses(model: NextLat, batch: Batch, out: Forward, config: ObjectiveConfig) -> dict[str, Tensor]:
    """Mean negative log-likelihood of every part of the next token, and the value loss; scalars, unweighted."""
    has_next = batch.has_next
    acted = token_weights(model, batch, config.prompt_weight)
    seen = torch.where(has_next, acted, 0.0)
    value = model.value.mean(out.value.detach())
    target = lambda_returns(batch.reward, batch.terminated, value, has_next, config.discount, config.lambda_)
    baseline = value if config.policy_baseline == "value" else weighted_mean(target, has_next)
    weight = policy_weights(target - baseline, has_next, config.policy_temperature)
    policy = -(weight * model.action.log_prob(out.policy, batch.action))
    # Shifting the observations, with padding in the last column, is cheaper than cutting a column off the predictions.
    following = {name: torch.cat((leaf[:, 1:], leaf[:, -1:]), dim=1) for name, leaf in batch.observation.items()}
    return {
        "policy": weighted_mean(policy, acted),
        "value": weighted_mean(-model.value.log_prob(out.value, target), has_next),
        "reward": weighted_mean(-reward_log_prob(model, out.transition, batch.reward, batch.terminated), acted),
        "end": weighted_mean(-end_log_prob(out.transition, batch.terminated), acted),
        "observation": weighted_mean(observation_loss(model, out.transition, following), seen),
    }


def next_token_weights(config: ObjectiveConfig) -> dict[str, float]:
    """Weights of `next_token_losses` in the sum that is minimised."""
    return {
        "policy": 1.0,
        "value": config.value_weight,
        "reward": 1.0,
        "end": 1.0,
        "observation": config.observation_weight,
        "joint": config.joint_weight,
        "code_prior": config.joint_weight,
        "code_encoder": config.joint_weight * config.encoder_weight,
    }


def policy_weights(advantage: Tensor, known: Tensor, temperature: float) -> Tensor:
    """Advantage weights of behaviour cloning, `[B, L]`, mean 1 over the `known` steps (AWR, arXiv 1910.00177).

    The advantage is measured in standard deviations of the batch, so that one temperature fits every reward scale.
    """
    if temperature == 0:
        return torch.ones_like(advantage)
    scale = advantage[known].std().clamp_min(1e-6) if known.sum() > 1 else advantage.new_ones(())
    weight = torch.where(known, (advantage / (temperature * scale)).clamp(-10, 3).exp(), 1.0)
    return weight / weighted_mean(weight, known).clamp_min(1e-6)
