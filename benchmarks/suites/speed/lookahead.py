"""The look-ahead beside mctx's Gumbel MuZero: imagined steps a second on one core, on networks of the same shape."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from statistics import median

import torch
from rich.console import Console
from torch import Tensor, nn

from benchmarks.options import Options
from benchmarks.rivals.mctx import make_search
from benchmarks.rows import Row
from benchmarks.suites.speed.timed import Timed
from benchmarks.timing import interleave, one_core, seconds_of
from nextlat_rl.agents.planning.model import Prediction
from nextlat_rl.agents.planning.planners.lookahead import LookaheadConfig, lookahead
from nextlat_rl.tracing import Traced

_LATENT, _HIDDEN, _ACTIONS = 128, 256, 7
_SIMULATIONS = 32
# Batch, depth and width of the look-ahead, and what is aimed for.
_SETTINGS = [
    (1, 3, 12, ""),
    (1, 8, 64, ""),
    (1, 8, 128, "at least 5"),
    (1, 8, 256, "at least 5"),
    (64, 8, 16, "at least 1"),
]


class Network(nn.Module):
    """Latent 128, dynamics 256/256, linear policy, value and reward heads: the network of both searches."""

    actions, num_uniforms, value_range = _ACTIONS, 0, 1.0
    one_hot: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(_LATENT + _ACTIONS, _HIDDEN)
        self.second = nn.Linear(_HIDDEN, _HIDDEN)
        self.last = nn.Linear(_HIDDEN, _LATENT)
        self.heads = nn.Linear(_LATENT, _ACTIONS + 2)
        self.register_buffer("one_hot", torch.eye(_ACTIONS), persistent=False)

    def root(self, belief: Tensor) -> tuple[Tensor, Tensor]:
        """Policy logits `[B, A]` and values `[B]` of `belief: [B, D]`."""
        out = self.heads(belief)
        return out[:, :_ACTIONS], out[:, _ACTIONS]

    def step(self, belief: Tensor, action: Tensor, noise: Tensor) -> Prediction:
        """One imagined step from `belief: [B, D]` by `action: [B]`."""
        x = torch.cat((belief, self.one_hot[action]), dim=-1)
        belief = belief + self.last(self.second(self.first(x).relu()).relu())
        out = self.heads(belief)
        discount = torch.full_like(out[:, 0], 0.99)
        return Prediction(belief, out[:, -1], discount, out[:, :_ACTIONS], out[:, _ACTIONS])


def rows(part: str, seed: int, options: Options, console: Console) -> Iterator[Row]:
    """A row for each setting; without a rival where mctx is not installed."""
    torch.manual_seed(seed)
    network = Network().eval()
    rounds = 3 if options.quick else 40
    with one_core():
        for batch, depth, width, target in _SETTINGS:
            yield _timed(network, batch, LookaheadConfig(depth=depth, width=width), target, rounds).row(part, seed)


def _timed(network: Network, batch: int, config: LookaheadConfig, target: str, rounds: int) -> Timed:
    """One setting, in seconds per imagined step."""
    steps = batch * sum(config.sizes(_ACTIONS)[1:])
    ours = _search(network, config, batch)
    measure = f"an imagined step, {batch} decision{'s' * (batch > 1)} at once"
    name = f"look-ahead {config.depth} x {config.width}"
    try:
        rival = make_search(network, _LATENT, _ACTIONS, _SIMULATIONS, batch)
    except ImportError:
        ours()
        return Timed(measure, name, median(seconds_of(ours) for _ in range(rounds)) / steps, target, cores=1)
    seconds, rival_seconds, ratio = interleave(ours, rival, rounds)
    rival_steps = batch * _SIMULATIONS
    ratio = steps / (ratio * rival_steps)
    return Timed(measure, name, seconds / steps, target, "mctx", rival_seconds / rival_steps, ratio, cores=1)


def _search(network: Network, config: LookaheadConfig, batch: int) -> Callable[[], object]:
    """A look-ahead that decides for `batch` random beliefs."""
    search = Traced(network, lambda b, u: tuple(lookahead(network, b, u, config, greedy=False)[0]), eager=0)
    belief, noise = torch.randn(batch, _LATENT), torch.rand(batch, sum(config.num_uniforms(network)))
    for _ in range(5):  # the tracer optimises over its first calls
        search(belief, noise)
    return lambda: search(belief, noise)
