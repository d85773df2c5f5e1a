"""Settings of the training objectives."""

from dataclasses import dataclass
from typing import Literal

from nextlat_rl.errors import UserError
from nextlat_rl.registry import Registry
from nextlat_rl.settings import above_zero, at_least, literals, share

_SHARED = "base config dynamics_finetune forward joint latent next_token registry returns token_loss weights"
OBJECTIVES = Registry("nextlat_rl.objectives", "objective.name", "OBJECTIVE", skip=frozenset(_SHARED.split()))


@dataclass
class ObjectiveConfig:
    """What is minimised, and with which weights.

    Attributes:
        name: `nextlat`; `gpt` for the next-token losses alone; or a rival of the paper: `mtp`, `jtp`, `bst`.
        horizon: nextlat: d, steps that the latent dynamics is rolled out. mtp, jtp: tokens predicted beyond the next.
        latent_weight: nextlat: lambda_h of arXiv 2511.05963, eq. 3.
        kl_weight: nextlat: lambda_KL of eq. 3.
        latent_warmup: nextlat: fraction of training over which both rise from 0 to these values.
        latent_warmup_power: nextlat: 1 rises linearly, 2 with the square.
        code_weight: nextlat: weight of both latent losses on roll-outs in code, which see the codes of the answers in
            place of observations and rewards.
        start_fraction: nextlat: fraction of a batch's positions from which the dynamics is rolled out; proportionally
            smaller beyond a horizon of 12, so that a longer horizon does not make a training step slower.
        min_rollouts: nextlat: roll out from at least so many positions, for small batches.
        start_in_prompts: nextlat: roll the dynamics out from prompts too, as the paper does.
        pair_fraction: bst: fraction of an episode's (prefix, suffix) pairs that a step draws.
        observation_weight: all: weight of the observation's loss, a sum over its parts.
        joint_weight: all: weight of the joint answer's losses, which train the code but not the trunk.
        code_share: all: fraction of a batch's positions that train the code, drawn anew at each step.
        encoder_weight: all: how much the code's encoder is drawn to the prior, in the same unit.
        prompt_weight: all: weight in every token loss of a token whose action is the last of a Discrete space. In the
            paper's tasks that is `wait`, and the token belongs to the prompt: 0 masks prompts as the paper does.
        value_weight: all: weight of the value loss.
        layer_dropout: all: probability that a step skips the trunk's last block, falling to 0 at the first block: for
            a trunk that `drafter=layerskip` will leave early.
        policy_temperature: all: behaviour cloning weights each step by exp(advantage / temperature), in units of the
            batch's advantage spread; 0 clones without weights.
        policy_baseline: all: what the advantage is measured against: the belief's `value` or the batch's `mean` return.
        discount: all: per-step discount of the value.
        lambda_: all: mix of the value's targets: 0 one-step, 1 Monte Carlo.

    Raises:
        UserError: a value outside its range.
    """

    name: str = "nextlat"
    horizon: int = 12
    latent_weight: float = 1.0
    kl_weight: float = 1.0
    latent_warmup: float = 0.0
    latent_warmup_power: float = 1.0
    code_weight: float = 1.0
    start_fraction: float = 0.08
    min_rollouts: int = 160
    pair_fraction: float = 0.1
    observation_weight: float = 0.1
    joint_weight: float = 0.1
    code_share: float = 0.5
    encoder_weight: float = 0.1
    prompt_weight: float = 1.0
    start_in_prompts: bool = True
    value_weight: float = 0.5
    layer_dropout: float = 0.0
    policy_temperature: float = 0.0
    policy_baseline: Literal["value", "mean"] = "value"
    discount: float = 0.99
    lambda_: float = 0.95

    def __post_init__(self) -> None:
        section = "objective."
        OBJECTIVES.check(self.name)
        literals(section, self)
        at_least(section, self, 1, "horizon", "min_rollouts")
        weights = (
            "latent_weight",
            "kl_weight",
            "code_weight",
            "encoder_weight",
            "joint_weight",
            "observation_weight",
            "prompt_weight",
        )
        at_least(section, self, 0, *weights, "value_weight", "policy_temperature")
        share(section, self, "discount", "lambda_", "start_fraction", "latent_warmup", "layer_dropout")
        share(section, self, "code_share")
        above_zero(section, self, "latent_warmup_power")
        if not 0 < self.pair_fraction <= 1:
            raise UserError(f"objective.pair_fraction={self.pair_fraction} must be above 0 and at most 1")


def trains_dynamics(objective: str) -> bool:
    """Whether the objective of this name trains the latent dynamics."""
    trains: bool = OBJECTIVES.load(objective).trains_dynamics
    return trains


def check_dynamics(objective: str, user: str, remedy: str) -> None:
    """Require that `objective` trains the latent dynamics, which `user` needs; `remedy` is another way out.

    Raises:
        UserError: it leaves them as they were initialised.
    """
    if not trains_dynamics(objective):
        raise UserError(
            f"{user} uses the latent dynamics, which objective={objective} leaves untrained: train with "
            f"objective=nextlat{remedy}"
        )
