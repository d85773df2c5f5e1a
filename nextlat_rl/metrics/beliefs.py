"""Metrics of the belief and of the latent dynamics on held-out windows."""

import torch
import torch.nn.functional as F
from torch import Tensor

from nextlat_rl.models.nextlat import NextLat
from nextlat_rl.objectives.config import ObjectiveConfig
from nextlat_rl.objectives.forward import forward
from nextlat_rl.objectives.joint import followed_positions, joint_losses
from nextlat_rl.objectives.latent import code_windows
from nextlat_rl.objectives.next_token import next_token_losses
from nextlat_rl.types import Batch


def effective_rank(hidden: Tensor) -> float:
    """Exponential of the entropy of the normalised singular values of `hidden: [N, D]` (arXiv 2511.05963, metrics).

    Between 1 and D, the number of directions that the beliefs use. Singular values below 1e-12 of the sum are dropped.
    """
    singular = torch.linalg.svdvals(hidden.double())
    share = singular / singular.sum()
    share = share[share > 1e-12]
    return float(torch.exp(-(share * share.log()).sum()))


@torch.no_grad()
def held_out_losses(model: NextLat, batch: Batch, config: ObjectiveConfig) -> dict[str, float]:
    """Next-token losses on windows that are not trained on."""
    out = forward(model, batch)
    losses = next_token_losses(model, batch, out, config)
    if model.code is not None:
        losses |= joint_losses(model, batch, out, config, followed_positions(batch))
    return {name: float(loss) for name, loss in losses.items()}


@torch.no_grad()
def belief_rank(model: NextLat, batch: Batch) -> float:
    """Effective rank of the beliefs of a batch's real steps."""
    belief = forward(model, batch).belief
    return effective_rank(belief[batch.has_action])


@torch.no_grad()
def latent_error_by_horizon(model: NextLat, batch: Batch, horizon: int) -> dict[str, list[float]]:
    """Smooth-L1 between true and rolled-out beliefs after 1..horizon steps, from every position of a batch.

    Returns:
        `grounded` (the roll-out reads observations and rewards), `code` (it reads codes of the answers; only of a model
        that has them), and `still` (the belief stays the same, as without dynamics), one error for each
        horizon that an episode reaches.
    """
    out = forward(model, batch)
    steps = {"grounded": out.step_embedding}
    if model.code is not None:
        steps["code"] = code_windows(model, batch, out.previous_action_embedding, out.code)
    rolled = {name: out.belief for name in steps}
    alive = torch.ones_like(batch.has_next)
    errors: dict[str, list[float]] = {name: [] for name in (*steps, "still")}
    for i in range(1, min(horizon, batch.has_next.shape[1] - 1) + 1):
        # Column t of `rolled` holds the roll-out that began at column t, now i - 1 steps on.
        alive = alive[:, :-1] & batch.has_next[:, i - 1 : -1]
        if not alive.any():
            break
        rolled = {name: model.dynamics(belief[:, :-1], steps[name][:, i:]) for name, belief in rolled.items()}
        truth = out.belief[:, i:]
        for name, guess in (rolled | {"still": out.belief[:, :-i]}).items():
            error = F.smooth_l1_loss(guess, truth, reduction="none").mean(-1)
            errors[name].append(float(error[alive].mean()))
    return errors
