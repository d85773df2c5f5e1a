"""Settings of policy improvement."""

from dataclasses import dataclass
from typing import Literal

from nextlat_rl.settings import above_zero, at_least, literals, share


@dataclass
class ImproveConfig:
    """Improvement of the policy and value heads in imagination, offline; the world model stays as it is.

    Attributes:
        name: `imagination` (actor-critic on drawn roll-outs), `reanalyse` (towards what the planner finds at the
            data's beliefs), `none`.
        steps: optimiser steps.
        batch_size: roll-outs, or plans, in each.
        horizon: imagination: steps of a roll-out, at most the world model's trust horizon where that was measured.
        learning_rate: Adam's.
        kl_weight: price of a nat of divergence from the policy that was trained on the data. Lower it where the data is
            mostly random and the policy has far to go, raise it where the data is good.
        lambda_: imagination: mix of the value's targets, 0 one-step, 1 the whole roll-out.
        beliefs: how many of the data's beliefs to start from.

    Raises:
        UserError: a value outside its range.
    """

    name: Literal["none", "imagination", "reanalyse"] = "none"
    steps: int = 200
    batch_size: int = 512
    horizon: int = 20
    learning_rate: float = 1e-3
    kl_weight: float = 0.1
    lambda_: float = 0.95
    beliefs: int = 100_000

    def __post_init__(self) -> None:
        literals("improve.", self)
        at_least("improve.", self, 1, "steps", "batch_size", "horizon", "beliefs")
        at_least("improve.", self, 0, "kl_weight")
        above_zero("improve.", self, "learning_rate")
        share("improve.", self, "lambda_")
