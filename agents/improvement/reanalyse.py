"""Reanalyse: plan at the data's beliefs, and teach the policy and the value what the planner found.

MuZero Unplugged (Schrittwieser et al. 2021): no new data, only more thought about the old. The policy moves towards
the planner's improved policy, the value towards its bootstraps; the divergence from the original policy is charged.
"""

import torch
from torch import Tensor

from nextlat_rl.agents.improvement.config import ImproveConfig
from nextlat_rl.agents.improvement.heads import Heads
from nextlat_rl.agents.planning.config import PlannerConfig
from nextlat_rl.agents.planning.planner import DiscretePlanner, make_planner
from nextlat_rl.errors import UserError
from nextlat_rl.world_model import WorldModel


class ReanalyseImprover:
    """Improves the heads of `world_model` at real beliefs `[N, D]`; a step is a function of (seed, step).

    Raises:
        UserError: the planner does not give a policy over discrete actions.
    """

    def __init__(
        self, world_model: WorldModel, beliefs: Tensor, settings: ImproveConfig, planner: PlannerConfig, seed: int
    ) -> None:
        search = make_planner(world_model, planner, deterministic=True, seed=seed)
        if not isinstance(search, DiscretePlanner):
            raise UserError(
                f"improve=reanalyse needs planner=lookahead or planner=gumbel, which plan over discrete actions, not "
                f"planner={planner.name}; improve=imagination works with every action space"
            )
        self.planner, self.beliefs, self.settings, self.seed = search, beliefs, settings, seed
        self.heads = Heads(world_model.model, settings.learning_rate)
        self.step = 0

    def improve_step(self) -> dict[str, Tensor]:
        """Plan at a batch of beliefs, and one step of the heads; scalars to watch."""
        settings, model = self.settings, self.heads.model
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.step)
        chosen = torch.randint(len(self.beliefs), (settings.batch_size,), generator=generator)
        belief = self.beliefs[chosen]
        plan = self.planner.plan(belief, chosen.to(belief.device), torch.full_like(chosen, self.step).to(belief.device))
        policy = model.action.head(belief)
        log_policy = (policy @ self.planner.model.joint).log_softmax(-1)
        divergence = self.heads.divergence(belief, policy).mean()
        towards_plan = -(plan.weights * log_policy).sum(-1).mean()
        value = model.value.head(belief)
        value_loss = -model.value.log_prob(value, plan.value).mean()
        self.heads.descend(towards_plan + settings.kl_weight * divergence + value_loss)
        self.step += 1
        return {
            "divergence": divergence.detach(),
            "value_loss": value_loss.detach(),
            "policy_loss": towards_plan.detach(),
            "value": plan.value.mean(),
        }
