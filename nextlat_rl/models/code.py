"""A discrete code of the world's answer, which ties its parts together.

p(z | g) = prod_i p(z_i | g, z_<i)     prior: G groups of C classes, autoregressive
q(z | g, y) = prod_i q(z_i | g, y)     encoder, for training; y is the embedded answer
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nextlat_rl.spaces.distributions import categorical_kl, full_precision, inverse_cdf


class AnswerCode(nn.Module):
    """Prior, encoder and embedding of codes `[*B, G]` (int64, each below C).

    Args:
        width: D, of afterstates and embeddings.
        groups: G.
        classes: C.
        hidden: width of the hidden layers.
    """

    def __init__(self, width: int, groups: int, classes: int, hidden: int) -> None:
        super().__init__()
        self.groups, self.classes = groups, classes
        self.encoder = nn.Sequential(
            nn.LayerNorm(2 * width),
            nn.Linear(2 * width, hidden),
            nn.GELU(),
            nn.Linear(hidden, hidden),
            nn.GELU(),
            nn.Linear(hidden, groups * classes),
        )
        self.ended = nn.Parameter(torch.randn(width))
        self.context = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, hidden)
        )
        # One hidden layer for each group, which sums what the groups before it say (NADE, Larochelle & Murray 2011).
        self.previous = nn.Parameter(0.1 * torch.randn(groups, classes, hidden))
        self.hidden_bias = nn.Parameter(torch.zeros(groups, hidden))
        self.out = nn.Parameter(hidden**-0.5 * torch.randn(groups, hidden, classes))
        self.out_bias = nn.Parameter(torch.zeros(groups, classes))
        self.table = nn.Linear(groups * classes, width, bias=False)
        nn.init.normal_(self.table.weight, std=groups**-0.5)

    def posterior(self, afterstate: Tensor, following: Tensor, end: Tensor) -> Tensor:
        """Logits `[*B, G, C]` of q(z | g, y) from g `[*B, D]`, emb(x_{t+1}) `[*B, D]` and whether it ended `[*B]`."""
        answer = following + end[..., None] * self.ended
        logits = self.encoder(torch.cat((afterstate, answer), dim=-1))
        return full_precision(logits).unflatten(-1, (self.groups, self.classes))

    def prior(self, afterstate: Tensor, code: Tensor) -> Tensor:
        """Logits `[*B, G, C]` of p(z_i | g, z_<i) from g `[*B, D]` and codes `[*B, G]`."""
        return self._groups(afterstate, lambda i, _: code[..., i])[1]

    def sample(self, afterstate: Tensor, uniform: Tensor) -> Tensor:
        """A code `[*B, G]` drawn from the prior with `uniform: [*B, G]` in [0, 1)."""
        return self._groups(afterstate, lambda i, logits: inverse_cdf(logits, uniform[..., i]))[0]

    def mode(self, afterstate: Tensor) -> Tensor:
        """The code `[*B, G]` whose groups are the most likely ones, one after the other."""
        return self._groups(afterstate, lambda _, logits: logits.argmax(-1))[0]

    def _groups(self, afterstate: Tensor, choose: Callable[[int, Tensor], Tensor]) -> tuple[Tensor, Tensor]:
        """Codes `[*B, G]` and the prior's logits `[*B, G, C]`, group by group.

        Args:
            afterstate: `[*B, D]`.
            choose: gives group i's classes `[*B]` from i and its logits `[*B, C]`.
        """
        state = self.context(afterstate)
        code, logits = [], []
        for i in range(self.groups):
            hidden = F.gelu(state + self.hidden_bias[i])
            logits.append(full_precision(F.linear(hidden, self.out[i].T, self.out_bias[i])))
            code.append(choose(i, logits[-1]))
            if i + 1 < self.groups:
                state = state + F.embedding(code[-1], self.previous[i])
        return torch.stack(code, -1), torch.stack(logits, -2)

    def embed(self, code: Tensor) -> Tensor:
        """`[*B, D]` of codes `[*B, G]`, or of straight-through samples `[*B, G, C]`."""
        if code.is_floating_point():
            return self.table(code.flatten(-2))
        rows = self._flat(code).reshape(-1, self.groups)
        summed = F.embedding_bag(rows, self.table.weight.T.contiguous(), mode="sum")  # columns are slow to gather
        return summed.view(*code.shape[:-1], summed.shape[-1])

    def log_prob(self, logits: Tensor, code: Tensor) -> Tensor:
        """Log-probability `[*B]` of codes `[*B, G]` under `prior`'s logits `[*B, G, C]` for the same codes."""
        return logits.log_softmax(-1).gather(-1, code[..., None]).squeeze(-1).sum(-1)

    def kl(self, p: Tensor, q: Tensor) -> Tensor:
        """KL(p || q) `[*B]` of logits `[*B, G, C]`, summed over the groups."""
        return categorical_kl(p, q).sum(-1)

    def _flat(self, code: Tensor) -> Tensor:
        return code + self.classes * torch.arange(self.groups, device=code.device)


def straight_through(logits: Tensor, code: Tensor) -> Tensor:
    """A draw `[*B, G]` as one-hot `[*B, G, C]` whose gradient is that of the probabilities."""
    probability = logits.softmax(-1)
    return F.one_hot(code, logits.shape[-1]).to(probability.dtype) + probability - probability.detach()
