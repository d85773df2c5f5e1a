"""The per-cell transformer as a world model: fitting, bits, acting and dreaming."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.rivals.worlds import Player, World
from benchmarks.rivals.worlds.cell_model import CellModel
from benchmarks.rivals.worlds.clock import Clock, rate
from nextlat_rl.data.batches import Batcher
from nextlat_rl.data.store import Store
from nextlat_rl.metrics.trajectories import Trajectories
from nextlat_rl.models.transformer import KVCache
from nextlat_rl.spaces.distributions import inverse_cdf
from nextlat_rl.types import Batch

_WINDOW = 512  # tokens of a training window, and so the longest context
_BATCH = 2048  # tokens
_LEARNING_RATE = 1e-3


class CellWorld(World):
    """As many parameters as `parameters`, and a context of `context` steps or as many as fit a window."""

    name = "per-cell transformer"

    def __init__(self, parameters: int, context: int) -> None:
        self._wanted, self._context = parameters, context

    def fit(self, store: Store, episodes: np.ndarray, seconds: float, seed: int) -> float:
        """AdamW on the joint likelihood of windows, and on the cloned actions with the same weight."""
        torch.manual_seed(seed)
        tokens = CellModel(store, 8, 1, layers=1, heads=1).tokens + 1
        fit = max(_WINDOW // tokens, 2)
        context = min(self._context, fit)
        width = matching(lambda width: CellModel(store, width, context), self._wanted)
        self.model = model = CellModel(store, width, context)
        self.parameters = count(model)
        longest = int(np.diff(store.episode_start).max())
        length = min(fit, longest)
        batches = Batcher(store, max(_BATCH // (length * tokens), 1), length, seed, episodes)
        optimizer = torch.optim.AdamW(model.parameters(), _LEARNING_RATE, betas=(0.9, 0.95), weight_decay=0.01)
        clock, step = Clock(seconds), 0
        while step == 0 or clock.share < 1:
            optimizer.param_groups[0]["lr"] = _LEARNING_RATE * rate(clock.share)
            batch = batches.batch(step)
            found = model(batch)
            total = found.action + found.end + found.reward + found.observation
            loss = -total.sum() / batch.has_action.sum().clamp_min(1)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            step += 1
        model.eval()
        model.trunk.pack()
        self.steps = step
        return clock.spent

    @torch.no_grad()
    def answer_bits(self, batch: Batch) -> dict[str, float]:
        """Exact, with the context sliding as it does in acting; windows must begin with an episode each."""
        model = self.model
        tokens, has = model.encode(batch.observation), batch.has_next
        reader = _Reader(model, len(tokens))
        hidden = reader.read(model.embed(tokens[:, 0]))[:, -1:]
        sums = dict.fromkeys(("reward", "end", "observation"), 0.0)
        for t in range(tokens.shape[1] - 1):
            x = torch.cat([model.embed_action(batch.action[:, t]), model.embed(tokens[:, t + 1])], 1)
            hidden = reader.read(x)
            end, reward = model.answer_log_prob(hidden[:, 0], batch.reward[:, t], batch.terminated[:, t])
            seen = model.log_prob(hidden[:, :-1], tokens[:, t + 1])
            for name, value in (("reward", reward), ("end", end), ("observation", seen)):
                sums[name] -= float(value[has[:, t]].sum())
        return bits(sums, int(has.sum()))

    def player(self, count: int, seed: int) -> Player:
        """See `World`."""
        return _CellPlayer(self.model, count, seed)

    @torch.no_grad()
    def _dream(self, first: dict[str, Tensor], horizon: int, seed: int) -> Trajectories:
        """Token by token; every part is drawn. Rows whose episode is over are left out."""
        model, n = self.model, len(next(iter(first.values())))
        player, steps, rows = _CellPlayer(model, n, seed), [], torch.arange(n)
        draw, reader = player.draw, player.reader
        action = player.act(first, torch.zeros(n))
        for _ in range(horizon):
            hidden = reader.read(model.embed_action(action))[:, -1]
            end, given = model.answer(hidden)
            ended = draw(len(rows)) < torch.sigmoid(end)
            reward = model.reward.sample(torch.where(ended[:, None], given[:, 1], given[:, 0]), draw(len(rows), 1))
            tokens = torch.zeros(len(rows), model.tokens, dtype=torch.long)
            for k in range(model.tokens):
                tokens[:, k] = inverse_cdf(model.logits(hidden, k), draw(len(rows)))
                hidden = reader.read(model.embed_token(tokens[:, k], k))[:, -1]
            observation = model.decode(tokens, draw(len(rows), model.layout.numbers))
            parts = (action, reward, ended, torch.ones_like(ended), *observation.values())
            steps.append([part.new_zeros(n, *part.shape[1:]).index_copy(0, rows, part) for part in parts])
            going = (~ended).nonzero()[:, 0]
            if not len(going):
                break
            if len(going) < len(rows):
                rows, hidden = rows[going], hidden[going]
                reader.keep(going)
            action = player.choose(hidden)
        action, reward, ended, taken, *seen = (torch.stack(column, 1) for column in zip(*steps, strict=True))
        leaves = {
            name: torch.cat((first[name][:, None], leaf), 1) for name, leaf in zip(observation, seen, strict=True)
        }
        return Trajectories(
            observation={name: leaf.numpy() for name, leaf in leaves.items()},
            action=action.numpy(),
            reward=reward.numpy(),
            ended=ended.numpy(),
            length=taken.sum(1).numpy(),
        )


class _Reader:
    """Reads tokens of B histories on and on."""

    def __init__(self, model: CellModel, batch: int) -> None:
        self._trunk = model.trunk
        self._cache = KVCache(model.trunk, batch, model.trunk.context + model.tokens)

    def read(self, x: Tensor) -> Tensor:
        """States `[B, K, D]` after embedded tokens `[B, K, D]`."""
        return self._trunk.extend(x, self._cache)

    def keep(self, rows: Tensor) -> None:
        """Go on with some of the histories, `[R]` int."""
        self._cache = self._cache.index_select(rows)


class _CellPlayer(Player):
    def __init__(self, model: CellModel, count: int, seed: int) -> None:
        self.reader = _Reader(model, count)
        self._model = model
        self._action: Tensor | None = None
        self._generator = torch.Generator().manual_seed(seed)

    def draw(self, *shape: int) -> Tensor:
        """Uniforms in [0, 1)."""
        return torch.rand(*shape, generator=self._generator)

    @torch.no_grad()
    def act(self, observation: dict[str, Tensor], reward: Tensor) -> Tensor:
        """See `Player`; rewards are not among the tokens."""
        x = self._model.embed(self._model.encode(observation))
        if self._action is not None:
            x = torch.cat([self._model.embed_action(self._action), x], 1)
        return self.choose(self.reader.read(x)[:, -1])

    def choose(self, hidden: Tensor) -> Tensor:
        """Actions `[B, *action]` drawn from the policy at the states `[B, D]` after the last token of o_t."""
        codec = self._model.action
        action = codec.sample(codec.head(hidden), self.draw(len(hidden), codec.num_uniforms))
        self._action = action
        return action


def count(model: nn.Module) -> int:
    """Numbers that are trained."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def matching(build: Callable[[int], nn.Module], wanted: int) -> int:
    """The width from 16 to 512, a multiple of 8, at which a model has about as many parameters as `wanted`."""
    widths = range(16, 513, 8)
    above = bisect_left(widths, wanted, hi=len(widths) - 1, key=lambda width: count(build(width)))
    return min(widths[max(above - 1, 0) : above + 1], key=lambda width: abs(count(build(width)) - wanted))


def bits(nats: dict[str, float], steps: int) -> dict[str, float]:
    """Sums over the steps to means in bits, and their sum as `total`."""
    parts = {name: value / math.log(2) / max(steps, 1) for name, value in nats.items()}
    return parts | {"total": sum(parts.values())}
