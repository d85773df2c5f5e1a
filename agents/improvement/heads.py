"""The weights that improvement changes: the linear heads of policy and value.

The rest of the world model stays as it was trained: beliefs stay valid, and imagination is the same for every policy.
"""

import copy

import torch
from torch import Tensor, nn

from nextlat_rl.models.nextlat import NextLat
from nextlat_rl.spaces import Codec


class Heads:
    """The heads under improvement and the policy that they started from.

    Args:
        model: the trained model, changed in place.
        learning_rate: Adam's.
    """

    def __init__(self, model: NextLat, learning_rate: float) -> None:
        self.model = model
        self.prior: Codec = copy.deepcopy(model.action).requires_grad_(False)
        policy = [p for name, p in model.action.named_parameters() if name.startswith("logits.")]
        self.parameters = [*policy, *model.value.logits.parameters()]
        self.optimizer = torch.optim.Adam(self.parameters, lr=learning_rate)

    def divergence(self, belief: Tensor, policy: Tensor) -> Tensor:
        """KL(pi || pi_0) in nats of the policy's parameters from the original's at `belief: [*B, D]`, `[*B]`."""
        with torch.no_grad():
            prior = self.prior.head(belief)
        return self.model.action.kl(policy, prior)

    def descend(self, loss: Tensor) -> None:
        """One step of Adam; the gradient's norm is clipped at 1."""
        gradients = torch.autograd.grad(loss, self.parameters)
        for parameter, gradient in zip(self.parameters, gradients, strict=True):
            parameter.grad = gradient
        nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()
