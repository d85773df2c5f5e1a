"""Lambda-returns over packed windows."""

import torch
from torch import Tensor


def lambda_returns(
    reward: Tensor, terminated: Tensor, value: Tensor, has_next: Tensor, discount: float, lambda_: float
) -> Tensor:
    """TD(lambda) targets, bootstrapped where an episode is cut by a time limit or by the window's edge.

    G_t = r_t + discount * (1 - end_t) * ((1 - lambda) * V_{t+1} + lambda * G_{t+1}); where column t has no successor in
    its window, G_t = V_t.

    Args:
        reward: `[B, L]` r_t.
        terminated: `[B, L]` bool end_t.
        value: `[B, L]` V_t.
        has_next: `[B, L]` bool, column t + 1 is the same episode's next step.
        discount: per-step discount.
        lambda_: 0 is one-step TD, 1 is Monte Carlo up to the cut.
    """
    target = value.clone()
    go_on = discount * (~terminated).to(reward.dtype)
    for t in range(reward.shape[1] - 2, -1, -1):
        mixed = (1 - lambda_) * value[:, t + 1] + lambda_ * target[:, t + 1]
        target[:, t] = torch.where(has_next[:, t], reward[:, t] + go_on[:, t] * mixed, value[:, t])
    return target
