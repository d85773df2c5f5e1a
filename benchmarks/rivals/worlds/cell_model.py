"""A transformer that predicts the next observation part by part: a token for every cell, field and number.

As IRIS (arXiv 2209.00588) does with the tokens of a learned image code, but with the space's own parts. A step is the
K tokens of o_t and one of a_t; positions see those before them:

    o_t,K   -> the policy
    a_t     -> end_t, r_t given end_t, and o_{t+1},1
    o_t+1,k -> o_{t+1},k+1
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.rivals.worlds.layout import Layout
from nextlat_rl.data.store import Store
from nextlat_rl.models.config import TrunkConfig
from nextlat_rl.models.transformer import Transformer
from nextlat_rl.spaces import build_codec, build_scalar
from nextlat_rl.types import Batch

BINS = 256  # of a number, of equal width over the data's range


@dataclass(frozen=True)
class Parts:
    """Log-probabilities (nats) of what follows, `[B, L]` each, zero where a batch does not have it."""

    action: Tensor
    end: Tensor
    reward: Tensor
    observation: Tensor  # given the history: a density in normalised units where it has numbers


class CellModel(nn.Module):
    """See the module. `context` is in steps.

    Attributes:
        tokens: K, of an observation.
        trunk: over K + 1 tokens a step.

    """

    low: Tensor
    width_of_bin: Tensor

    def __init__(self, store: Store, width: int, context: int, layers: int = 4, heads: int = 4) -> None:
        super().__init__()
        self.layout = Layout.of(store)
        numbers = self.layout.numbers
        classes = np.concatenate([self.layout.classes, np.full(numbers, BINS)])
        self.tokens = len(classes)
        self._groups = [(int(c), torch.from_numpy(np.flatnonzero(classes == c))) for c in np.unique(classes)]
        low, high = _range(store, self.layout)
        self.register_buffer("low", low)
        self.register_buffer("width_of_bin", (high - low) / BINS)
        self.tables = nn.ModuleDict({str(c): nn.Embedding(c, width) for c, _ in self._groups})
        self.heads = nn.ModuleDict({str(c): nn.Linear(width, c) for c, _ in self._groups})
        self.place = nn.Parameter(0.02 * torch.randn(self.tokens + 1, width))
        self.action = build_codec(store.action_space, width, store.statistics["action"], role="action")
        self.reward = build_scalar(width, store.statistics["reward"])
        self.end = nn.Linear(width, 1)
        self.ending = nn.Parameter(torch.zeros(width))  # as in our model: many rewards come only with the end
        self.trunk = Transformer(TrunkConfig(layers, heads, width, context * (self.tokens + 1)))
        for table in self.tables.parameters():
            nn.init.normal_(table, std=0.02)

    def encode(self, observation: dict[str, Tensor]) -> Tensor:
        """Observations, leaf -> `[*B, *leaf]`, to tokens `[*B, K]`; numbers outside the range count as its ends."""
        fields, numbers = self.layout.split(observation)
        bins = ((numbers - self.low) / self.width_of_bin).long().clamp(0, BINS - 1)
        return torch.cat([self.layout.tokens(fields), bins], -1)

    def decode(self, tokens: Tensor, noise: Tensor) -> dict[str, Tensor]:
        """The inverse, with numbers drawn inside their bins by `noise: [*B, C]` in [0, 1)."""
        classes, bins = tokens.split([len(self.layout.classes), self.layout.numbers], -1)
        return self.layout.join(self.layout.fields(classes), self.low + (bins + noise) * self.width_of_bin)

    def embed(self, tokens: Tensor) -> Tensor:
        """Tokens `[*B, K]` to `[*B, K, D]`."""
        x = self.place[: self.tokens].expand(*tokens.shape, -1).clone()
        for c, where in self._groups:
            x[..., where, :] += self.tables[str(c)](tokens[..., where])
        return x

    def embed_token(self, token: Tensor, k: int) -> Tensor:
        """The k-th tokens `[B]` to `[B, 1, D]`."""
        return (self.tables[str(self._classes_of(k))](token) + self.place[k])[:, None]

    def embed_action(self, action: Tensor) -> Tensor:
        """`[*B, *action]` to `[*B, 1, D]`."""
        return (self.action.embed(action) + self.place[self.tokens])[..., None, :]

    def logits(self, hidden: Tensor, k: int) -> Tensor:
        """Logits `[*B, c]` of the k-th token from the state `[*B, D]` before it."""
        return self.heads[str(self._classes_of(k))](hidden)

    def log_prob(self, hidden: Tensor, tokens: Tensor) -> Tensor:
        """Log-probability `[*B]` of tokens `[*B, K]` from the states `[*B, K, D]` before each; numbers as densities."""
        total = -self.width_of_bin.log().sum().expand(tokens.shape[:-1])
        for c, where in self._groups:
            log_p = self.heads[str(c)](hidden[..., where, :]).log_softmax(-1)
            total = total + log_p.gather(-1, tokens[..., where, None]).sum((-1, -2))
        return total

    def answer(self, after: Tensor) -> tuple[Tensor, Tensor]:
        """Logit of the end `[*B]`, and the reward's parameters `[*B, 2, P]` without and with it, from a_t's state."""
        return self.end(after)[..., 0], self.reward.head(torch.stack([after, after + self.ending], -2))

    def answer_log_prob(self, after: Tensor, reward: Tensor, ended: Tensor) -> tuple[Tensor, Tensor]:
        """Log-probabilities of the end and of the reward given it, `[*B]`."""
        end, given = self.answer(after)
        chosen = torch.where(ended[..., None], given[..., 1, :], given[..., 0, :])
        sign = torch.where(ended, 1.0, -1.0)
        return F.logsigmoid(sign * end), self.reward.log_prob(chosen, reward)

    def forward(self, batch: Batch) -> Parts:
        """Log-probabilities of a batch `[B, L]`."""
        tokens = self.encode(batch.observation)
        x = torch.cat([self.embed(tokens), self.embed_action(batch.action)], -2)  # [B, L, K + 1, D]
        segment = batch.segment.repeat_interleave(self.tokens + 1, 1)
        h = self.trunk(x.flatten(1, 2), segment).unflatten(1, x.shape[1:3])
        end, reward = self.answer_log_prob(h[:, :, -1], batch.reward, batch.terminated)
        before = torch.cat([h[:, :-1, -1:], h[:, 1:, : self.tokens - 1]], -2)
        seen = F.pad(self.log_prob(before, tokens[:, 1:]), (0, 1))
        action = self.action.log_prob(self.action.head(h[:, :, self.tokens - 1]), batch.action)
        has, following = batch.has_action, batch.has_next
        return Parts(action * has, end * has, reward * has, torch.where(following, seen, 0.0))

    def _classes_of(self, k: int) -> int:
        count = len(self.layout.classes)
        return int(self.layout.classes[k]) if k < count else BINS


def _range(store: Store, layout: Layout) -> tuple[Tensor, Tensor]:
    """Smallest and largest value `[C]` of each number in the data."""
    if not layout.numbers:
        return torch.zeros(0), torch.zeros(0)
    rows = {name: torch.from_numpy(np.array(leaf)) for name, leaf in store.observation.items()}
    _, numbers = layout.split(rows)
    low, high = numbers.min(0).values, numbers.max(0).values
    return low, torch.where(high > low, high, low + 1.0)
