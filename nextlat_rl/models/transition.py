"""Parameters of the distribution of what follows an action."""

from dataclasses import dataclass

from torch import Tensor


@dataclass
class TransitionParams:
    """Parameters of p(end_t, r_t, o_{t+1} | g_t, z); the batch shape is the afterstate's."""

    end: Tensor  # [*B] logit of termination
    reward: Tensor  # [*B, 2, P], first given that the episode goes on, then given that it ends
    observation: dict[str, Tensor]  # leaf -> parameters
    features: Tensor  # [*B, D + N] decoded from g_t and z: what the heads read
