"""Distance of a belief from those the world model was trained on."""

import torch
from torch import Tensor

from nextlat_rl.errors import UserError

_RIDGE = 1e-3  # of the mean variance: beliefs hardly vary in many directions, which would count without bound


class BeliefDistance:
    """Mahalanobis distance to beliefs of real steps, in units of their own root mean square distance.

    About 1 for the data itself; far above 1 the model extrapolates (the out-of-distribution test of arXiv 1807.03888
    with one class). The entropy of its predictions is no substitute: without data they may be wrong and confident.

    Args:
        beliefs: `[N, D]`, a sample of the data's, from anywhere in its episodes, with N > D.

    Raises:
        UserError: too few of them, or all the same.
    """

    def __init__(self, beliefs: Tensor) -> None:
        count, width = beliefs.shape
        data = beliefs.double()
        self._mean = data.mean(0)
        centred = data - self._mean
        covariance = centred.T @ centred / count
        variance = covariance.diagonal().mean()
        if count <= width or variance == 0:
            raise UserError(
                f"a distance to start beliefs needs more than {width} different ones, got {count}: "
                "use start_beliefs(..., anywhere=True)"
            )
        ridge = _RIDGE * variance * torch.eye(width, dtype=torch.float64, device=data.device)
        whitening = torch.linalg.cholesky(torch.linalg.inv(covariance + ridge))
        unit = (centred @ whitening).square().sum(1).mean().sqrt()
        self._mean, self._whitening = self._mean.to(beliefs.dtype), (whitening / unit).to(beliefs.dtype)

    def __call__(self, belief: Tensor) -> Tensor:
        """`[B, D] -> [B]`."""
        return ((belief - self._mean) @ self._whitening).norm(dim=1)


def uncertainty_limit(beliefs: Tensor, share: float = 0.99) -> float:
    """The distance that `share` of the data's own beliefs `[N, D]` stay within: a first `max_uncertainty`.

    Raises:
        UserError: a share outside (0, 1], or beliefs that do not give a distance.
    """
    if not 0 < share <= 1:
        raise UserError(f"share={share} must be above 0 and at most 1")
    return float(BeliefDistance(beliefs)(beliefs).quantile(share))
