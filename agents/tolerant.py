"""Tolerant speculative acting: a decision made ahead is used while reality stays near enough to the draft.

Where observations are continuous no draft ever comes true exactly. Here the latent dynamics follows reality beside the
draft, and as long as the two beliefs stay within a tolerance the decision that lies ready is taken, made at the belief
that the trunk had of the draft. The tolerance is calibrated so that the rate of decisions that differ from those of
deciding at every step stays under a chosen risk.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nextlat_rl.agents.agent import Decide, make_decide
from nextlat_rl.agents.planning.planner import Planner
from nextlat_rl.drafting.length import DraftLength, FixedLength, RoundClock
from nextlat_rl.drafting.rollout import DraftStatistics
from nextlat_rl.drafting.token import embed_token, mode_token
from nextlat_rl.models.nextlat import NextLat
from nextlat_rl.spaces.categorical import DiscreteCodec
from nextlat_rl.tracing import Traced, padded
from nextlat_rl.types import Step
from nextlat_rl.world_model import WorldModel


class TolerantAgent:
    """Acts like `Agent` with `acting="trunk"`, but for a few decisions that were made for a slightly different belief.

    Args:
        world_model: the trained model.
        batch_size: number of environments, each a row.
        length: how many steps to draft.
        tolerance: largest `distance / margin` at which a draft counts as true, from `calibrate`; below 0, where nothing
            would count, nothing is drafted.
        deterministic: most likely actions instead of drawn ones.
        seed: keys the noise together with (episode, step).
        planner: decides; without one the policy does.

    """

    def __init__(
        self,
        world_model: WorldModel,
        batch_size: int,
        length: DraftLength,
        tolerance: float,
        deterministic: bool = False,
        seed: int = 0,
        planner: Planner | None = None,
    ) -> None:
        length = length if tolerance >= 0 else FixedLength(0)
        self.world_model, self.length, self.tolerance = world_model, length, tolerance
        self.clock = RoundClock(length)
        self.decide: Decide = make_decide(world_model, deterministic, seed, planner)
        self.guess: Decide = make_decide(world_model, deterministic or planner is not None, seed, None)
        self.statistics = DraftStatistics()
        self.calls, self.decisions = 0, 0
        longest, device = length.longest, world_model.device
        width = world_model.model.config.width
        cache = world_model.memory(batch_size, "trunk", draft=longest + 1).cache
        assert cache is not None
        self.cache = cache
        self.step = torch.zeros(batch_size, dtype=torch.long, device=device)
        self.last_action = world_model.no_actions(batch_size)
        self.belief = torch.zeros(batch_size, width, device=device)  # followed by the dynamics since the last call
        self._expected = torch.zeros(batch_size, longest + 1, width, device=device)
        self._ready = self.last_action[:, None].repeat(1, longest + 1, *([1] * (self.last_action.dim() - 1)))
        self._margin = torch.ones(batch_size, longest + 1, device=device)
        self._length = torch.zeros(batch_size, dtype=torch.long, device=device)
        self._index = torch.zeros_like(self._length)
        self._unread = torch.zeros_like(self._expected)  # steps that the trunk has not read yet
        self._rows = torch.arange(batch_size, device=device)
        self._any_drafted = False  # whether any row was drafted for since all were last decided for at once
        self.furthest = torch.zeros(batch_size, device=device)  # largest distance / margin in the draft in use
        model = world_model.model
        self._carry = Traced(model, model.dynamics)
        self._ahead = Traced(model, lambda belief, action: expected_step(model, belief, action))

    @torch.no_grad()
    def act(
        self,
        observations: Sequence[Any],
        rewards: Sequence[float],
        is_first: Sequence[bool],
        episodes: Sequence[int],
    ) -> list[Any]:
        """One action per environment, see `Agent.act`."""
        started = time.perf_counter()
        wm = self.world_model
        first = torch.tensor(is_first, device=wm.device)
        reward = torch.tensor(rewards, dtype=torch.float32, device=wm.device)
        step = Step(wm.encode_observations(observations), self.last_action, reward, first)
        x = wm.embed_step(step.previous_action, step.previous_reward, first, *step.observation.values())
        self.step.masked_fill_(first, 0)
        used, decided = self._index, None
        missing = self._follow(x, first) if self._any_drafted else self._rows
        if len(missing):
            self.calls += len(missing)
            if self._any_drafted:
                self._judge(missing, used, first)
            length, guessed, usable = self.clock.next_round(), 0, 0
            episode = torch.tensor(episodes, dtype=torch.long, device=wm.device)
            if length or self._any_drafted:
                guessed, usable = self._draft(x, first, padded(missing), episode, length)
            else:
                decided = self._decide_now(x, first, episode)
            self.clock.drafted(guessed, usable)
        self.decisions += len(observations)
        self.last_action = self._ready[self._rows, self._index] if decided is None else decided
        self.step += 1
        actions = wm.decode_actions(self.last_action)
        self.clock.spent(time.perf_counter() - started)
        return actions

    @property
    def ahead(self) -> Tensor:
        """Whether the last decision of each row was made ahead of time, `[B]` bool."""
        return self._index > 0

    def drop(self, rows: Tensor) -> None:
        """Use the drafts of `rows` (`[B]` bool) no further."""
        self._length = torch.where(rows, self._index, self._length)

    def summary(self, planned: bool) -> dict[str, Any]:
        """Figures for a result row."""
        drafts, calls = self.statistics, self.calls / max(self.decisions, 1)
        return {
            "tolerance": self.tolerance,
            "accepted_per_draft": drafts.accepted_per_draft,
            "acceptance_by_position": drafts.acceptance,
            "accepted_histogram": drafts.histogram,
            "planner_calls_per_step": calls if planned else 0.0,
            "trunk_calls_per_step": calls,
        }

    def _judge(self, rows: Tensor, used: Tensor, first: Tensor) -> None:
        """Count how far the drafts of `rows` held, of which `used: [B]` steps were; the step just taken was not.

        One that an episode's end cut short says nothing of how good drafts are, but it does of how far to draft.
        """
        kept = used[rows].cpu().numpy()
        judged = np.minimum(kept + 1, self._length[rows].cpu().numpy())
        self.length.judged(judged, kept)
        went_on = ~first[rows].cpu().numpy()
        self.statistics.add(judged[went_on], kept[went_on])

    def _follow(self, x: Tensor, first: Tensor) -> Tensor:
        """Move every row on by emb(x) `[B, D]`; the rows `[R]` that have no decision for where they are now."""
        self.belief = self._carry(self.belief, x)
        self._remember(x, first)
        at = self._index.clamp_max(self._length)
        gap = distance(self.belief, self._expected[self._rows, at]) / self._margin[self._rows, at]
        self.furthest = torch.maximum(self.furthest, gap)
        return (first | (gap > self.tolerance) | (self._index > self._length)).nonzero().squeeze(1)

    def _remember(self, x: Tensor, first: Tensor) -> None:
        """Keep a step for the trunk to read later."""
        self._index = torch.where(first, 0, self._index + 1)
        self._unread[self._rows, torch.where(first, 0, self._index - 1).clamp_max(self.length.longest)] = x

    def _decide_now(self, x: Tensor, first: Tensor, episode: Tensor) -> Tensor:
        """Decide in every row without a draft before or after, `[B, *action]`: `_draft` with 0 at an `Agent`'s cost."""
        self.cache.reset(first)
        self.belief = self.world_model.model.trunk.extend(x[:, None], self.cache)[:, 0]
        return self.decide(self.belief, episode, self.step)

    def _draft(self, x: Tensor, first: Tensor, rows: Tensor, episode: Tensor, length: int) -> tuple[int, int]:
        """Let the trunk read what happened in `rows: [R]`, draft up to `length` steps from there, decide everywhere.

        Returns how many steps were guessed, and how many of them are drafted: the one that would end the episode is
        paid for, but there is nothing to decide after it.
        """
        if not self._any_drafted:
            self._remember(x, first)
        self.belief[rows] = belief = self._read(rows, first[rows])
        expected, embedded, guessed = [belief], [], 0
        for k in range(length):
            guessed += 1
            action = self.guess(belief, episode[rows], self.step[rows] + k)
            belief, drafted, end = self._ahead(belief, action)
            if end.all():
                break
            expected.append(belief)
            embedded.append(drafted)
        length = len(embedded)
        exact = self._peek(rows, expected[0], embedded)
        ahead = torch.arange(length + 1, device=rows.device)
        times = (self.step[rows][:, None] + ahead).flatten()
        decision = self.decide(exact.flatten(0, 1), episode[rows].repeat_interleave(length + 1), times)
        self._expected[rows, : length + 1] = torch.stack(expected, 1)
        self._margin[rows, : length + 1] = margin(self.world_model.model, exact)
        self._ready[rows, : length + 1] = decision.unflatten(0, (-1, length + 1))
        self._length[rows], self._index[rows], self.furthest[rows] = length, 0, 0.0
        self._any_drafted = bool(self._length.any())
        return guessed, length

    def _read(self, rows: Tensor, new: Tensor) -> Tensor:
        """The trunk's beliefs `[R, D]` after the steps that it has not read; where `new`, an episode began."""
        count = torch.where(new, 1, self._index[rows])
        part = self.cache.index_select(rows)
        part.reset(new)
        before = part.position.clone()
        hidden = self.world_model.model.trunk.extend(self._unread[rows, : int(count.max())], part)
        part.crop(before + count)
        self.cache.index_copy(rows, part)
        return hidden[torch.arange(len(rows), device=rows.device), count - 1]

    def _peek(self, rows: Tensor, belief: Tensor, embedded: list[Tensor]) -> Tensor:
        """The trunk's beliefs `[R, K + 1, D]` now and along the draft, of which its cache remembers nothing."""
        if not embedded:
            return belief[:, None]
        hidden = self.world_model.model.trunk.extend(torch.stack(embedded, 1), self.cache.index_select(rows))
        return torch.cat((belief[:, None], hidden), 1)


def expected_step(model: NextLat, belief: Tensor, action: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """After an action and the likeliest answer to it: the belief and emb(x), both `[B, D]`, and the end `[B]`."""
    token = mode_token(model, belief, action)
    x = embed_token(model, token)
    return model.dynamics(belief, x), x, token.end


def margin(model: NextLat, belief: Tensor) -> Tensor:
    """How clear the policy's decision is at `belief: [*B, D]`, in (0, 1]: the lead of the likeliest discrete action.

    A small error of the belief changes a narrow decision and leaves a clear one alone. 1 for actions of other spaces.
    """
    if not isinstance(model.action, DiscreteCodec):
        return belief.new_ones(belief.shape[:-1])
    first, second = model.action.head(belief).softmax(-1).topk(2, dim=-1).values.unbind(-1)
    return (first - second).clamp_min(1e-6)


def distance(belief: Tensor, expected: Tensor) -> Tensor:
    """Root mean square difference of beliefs, `[*B, D]` twice to `[*B]`."""
    return (belief - expected).square().mean(-1).sqrt()
