"""Actor-critic in closed-loop imagination, held near the policy that the data supports.

Roll-outs begin at real beliefs, actions and the world's answers are drawn, lambda-returns of the imagined rewards are
both the critic's target and the actor's baseline-subtracted return (as in Dreamer, Hafner et al. 2020). A world model
is right only where its data went, and a policy trained in it will find where it is wrong; the divergence from the
original policy is therefore charged, in units of the advantage's spread.
"""

import torch
from torch import Tensor

from nextlat_rl.agents.improvement.config import ImproveConfig
from nextlat_rl.agents.improvement.heads import Heads
from nextlat_rl.objectives.returns import lambda_returns
from nextlat_rl.objectives.weights import weighted_mean
from nextlat_rl.world_model import WorldModel


class ImaginationImprover:
    """Improves the heads of `world_model` from real beliefs `[N, D]`; a step is a function of (seed, step)."""

    def __init__(self, world_model: WorldModel, beliefs: Tensor, settings: ImproveConfig, seed: int) -> None:
        self.world_model, self.beliefs, self.settings, self.seed = world_model, beliefs, settings, seed
        self.heads = Heads(world_model.model, settings.learning_rate)
        self.step = 0

    def improve_step(self) -> dict[str, Tensor]:
        """One batch of roll-outs and one step of the heads; scalars to watch."""
        settings, model, discount = self.settings, self.world_model.model, self.world_model.discount
        key = self.seed * 1_000_003 + self.step
        generator = torch.Generator().manual_seed(key)
        start = self.beliefs[torch.randint(len(self.beliefs), (settings.batch_size,), generator=generator)]
        dream = self.world_model.imagine(start, horizon=settings.horizon, rollout="sample", seed=key)
        alive = dream.alive > 0  # [B, K]
        goes_on = torch.cat((dream.alive[:, 1:], dream.running[:, None]), dim=1) > 0
        nothing = torch.zeros_like(alive[:, :1])
        target = lambda_returns(
            torch.cat((dream.reward, nothing.to(dream.reward.dtype)), dim=1),
            torch.cat((alive & ~goes_on, nothing), dim=1),
            dream.value,
            torch.cat((alive, nothing), dim=1),
            discount,
            settings.lambda_,
        )[:, :-1]
        belief, advantage = dream.belief[:, :-1], target - dream.value[:, :-1]
        scale = advantage[alive].std().clamp_min(1e-6)
        policy = model.action.head(belief)
        divergence = weighted_mean(self.heads.divergence(belief, policy), alive)
        gain = weighted_mean(advantage / scale * model.action.log_prob(policy, dream.action), alive)
        value_loss = weighted_mean(-model.value.log_prob(model.value.head(belief), target), alive)
        self.heads.descend(settings.kl_weight * divergence - gain + value_loss)
        self.step += 1
        return {
            "divergence": divergence.detach(),
            "value_loss": value_loss.detach(),
            "imagined_return": target[:, 0].mean(),
            "value": dream.value[:, 0].mean(),
        }
