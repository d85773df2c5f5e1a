"""Trajectories imagined by the trunk itself, drafted and verified: the same trajectories, in fewer passes.

The noise that a step is drawn with is a function of (seed, row, step). A round begins with one step that is final. A
drafter guesses K more, with the noise of these steps; one pass of the trunk reads the guesses, and at each of them the
trunk draws, with the same noise, what it would have drawn anyway. Guesses are right as far as the two are equal, and
the trunk's draw after the last right one is the next round's first step. So the result does not depend on the drafter.

Of a single step this keeps a little less than the rejection of Leviathan et al. 2023 (arXiv 2211.17192) would, which
keeps the most that any scheme can, but it needs no probabilities and no draws from a residual distribution.
"""

from __future__ import annotations

import time
from copy import copy
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from nextlat_rl.drafting.drafter import Drafter
from nextlat_rl.drafting.exactness import can_be_drafted
from nextlat_rl.drafting.length import DraftLength
from nextlat_rl.drafting.token import (
    Token,
    embed_token,
    from_parts,
    join,
    same_token,
    sample_token,
    token_num_uniforms,
    until_all_ended,
)
from nextlat_rl.memory import Memory
from nextlat_rl.noise import uniform
from nextlat_rl.tracing import Traced, lasting
from nextlat_rl.world_model import WorldModel


@dataclass
class DraftStatistics:
    """How the drafts fared, over the rows that were still running."""

    rounds: int = 0  # row-rounds
    passes: int = 0  # of the trunk, over all rows at once
    accepted: int = 0  # draft tokens kept, the free step not counted
    reached: np.ndarray = field(default_factory=lambda: np.zeros(0, int))  # [K] drafts whose position k was judged
    kept: np.ndarray = field(default_factory=lambda: np.zeros(0, int))  # [K] and accepted

    @property
    def accepted_per_draft(self) -> float:
        """Mean number of draft tokens kept in a round of one row."""
        return self.accepted / max(self.rounds, 1)

    @property
    def acceptance(self) -> list[float]:
        """The chance of each position to be accepted once it is reached."""
        return (self.kept / self.reached.clip(1)).tolist()

    @property
    def histogram(self) -> list[int]:
        """How many drafts had 0, 1, .. of their steps kept."""
        at_least = np.concatenate(([self.rounds], self.kept, [0]))
        return (at_least[:-1] - at_least[1:]).tolist()

    def merge(self, other: DraftStatistics) -> None:
        """Take another's counts in."""
        longest = max(len(self.reached), len(other.reached))
        for name in ("reached", "kept"):
            mine, new = (np.pad(x, (0, longest - len(x))) for x in (getattr(self, name), getattr(other, name)))
            setattr(self, name, mine + new)
        self.rounds += other.rounds
        self.passes += other.passes
        self.accepted += other.accepted

    def add(self, judged: np.ndarray, kept: np.ndarray) -> None:
        """A round in which `judged: [rows]` drafts of each running row met their verdict and `kept: [rows]` passed."""
        if (longest := int(judged.max(initial=0))) > len(self.reached):
            grow = (0, longest - len(self.reached))
            self.reached, self.kept = np.pad(self.reached, grow), np.pad(self.kept, grow)
        position = np.arange(len(self.reached))
        self.rounds += len(kept)
        self.passes += 1
        self.accepted += int(kept.sum())
        self.reached += (judged[:, None] > position).sum(0)
        self.kept += (kept[:, None] > position).sum(0)


@dataclass
class Rollout:
    """B imagined trajectories of up to H steps."""

    token: Token  # [B, H], meaningless from `length` on
    length: Tensor  # [B] steps taken
    ended: Tensor  # [B] bool, the last step ended the episode
    statistics: DraftStatistics


class SpeculativeRollout:
    """Draws trajectories from the trunk.

    Args:
        world_model: the trunk and its heads.
        drafter: guesses; None draws one step a pass.
        length: how many steps to guess.
    """

    def __init__(self, world_model: WorldModel, drafter: Drafter | None, length: DraftLength) -> None:
        self.model, self.drafter, self.length = world_model.model, drafter, length
        model, names = self.model, list(self.model.observation)
        self._drawn = Traced(model, lambda belief, noise: sample_token(model, belief, noise).parts())
        self._embed = Traced(model, lambda *parts: embed_token(model, from_parts(names, parts)))

    def drafting(self, drafter: Drafter, length: DraftLength) -> SpeculativeRollout:
        """The same with another drafter; what has been traced serves both."""
        other = copy(self)
        other.drafter, other.length = drafter, length
        return other

    @lasting
    def __call__(self, memory: Memory, horizon: int, seed: int = 0) -> Rollout:
        """Imagine `horizon` steps, or to the end of the episode, from where `memory` stands.

        Args:
            memory: a `trunk` memory with room for the longest draft; it is left after the last step of every row.
            horizon: H, at least 1.
            seed: of the noise.

        Raises:
            ValueError: the memory does not fit, the horizon is below 1, or no draft could be right.
        """
        if memory.cache is None or memory.cache.capacity < self.model.trunk.context + self.length.longest:
            raise ValueError("a speculative roll-out needs memory(batch_size, 'trunk', draft=<longest draft>)")
        if horizon < 1:
            raise ValueError(f"a roll-out needs a horizon of at least 1, got {horizon}")
        if self.drafter and not can_be_drafted(self.model):
            raise ValueError("no draft of continuous observations or actions is exactly right: use drafter=None")
        if self.drafter:
            self.drafter.begin(memory)
        state = _State(memory, horizon, seed, token_num_uniforms(self.model))
        state.token = self.draw(memory.belief, state.noise(0, 1)[:, 0])
        statistics = DraftStatistics()
        while state.running.any():
            started, traces = time.perf_counter(), Traced.slow
            length = min(self.length.choose(), state.most_wanted() - 1) if self.drafter else 0
            running = state.running.clone().cpu().numpy()
            length, *counts = self._round(state, memory, length)
            judged, kept = (x.cpu().numpy()[running] for x in counts)
            statistics.add(judged, kept)
            self.length.drafted(length, length)
            # An end is no fault of a draft, which the statistics are about, but the steps behind it did not come.
            self.length.judged(np.minimum(kept + 1, length), kept)
            if Traced.slow == traces:
                self.length.timed(length, time.perf_counter() - started)
        return Rollout(state.written, state.count, state.ended, statistics)

    def _round(self, state: _State, memory: Memory, length: int) -> tuple[int, Tensor, Tensor]:
        """Draft, read, draw and compare, commit.

        Returns how many steps were drafted, how many drafts of each row were judged, `[B]`, and how many of these it
        kept, `[B]`; drafts after an end or the horizon are neither.
        """
        cache, rows = memory.cache, state.rows
        assert cache is not None
        before = cache.position.clone()
        noise = state.noise(1, length + 1)
        known, draft = state.token.map(lambda x: x[:, None]), None
        chunk = known
        if length and not (state.token.end | ~state.running).all():
            assert self.drafter is not None
            draft = until_all_ended(self.drafter.draft(memory.belief, state.token, noise[:, :length]))
            chunk = join(known, draft)
        length = chunk.end.shape[1] - 1
        hidden = self.model.extend(self._embed(*chunk.parts()), cache)  # [B, K + 1, D]
        drawn = self.draw(hidden, noise[:, : length + 1])
        kept = torch.zeros_like(state.count)
        if draft is not None:
            own = drawn.map(lambda x: x[:, :length])
            kept = same_token(draft, own).long().cumprod(1).sum(1)
            chunk = join(known, own)
        judged = torch.minimum((kept + 1).clamp_max(length), state.room(chunk))
        kept = state.commit(chunk, kept)
        cache.crop(torch.where(kept >= 0, before + kept + 1, before))
        if self.drafter:
            self.drafter.advance(memory.belief, chunk, hidden, kept)
            # After a draft the first step is often one that it was refused for.
            if draft is None and self.drafter.foreseen:
                foreseen = np.array(self.drafter.foreseen, int)
                self.length.judged(np.ones_like(foreseen), foreseen)
        last = kept.clamp_min(0)
        memory.belief = torch.where((kept >= 0)[:, None], hidden[rows, last], memory.belief)
        state.token = drawn.map(lambda x: x[rows, last])
        return length, judged, kept

    def draw(self, belief: Tensor, noise: Tensor) -> Token:
        """Steps `[*B]` of the trunk's own, from `belief: [*B, D]` and `noise: [*B, token_num_uniforms]`."""
        return from_parts(self.model.observation, self._drawn(belief, noise))


class _State:
    """Where each row of a roll-out stands."""

    token: Token  # [B] the next step of every row, final but not yet written

    def __init__(self, memory: Memory, horizon: int, seed: int, size: int) -> None:
        device = memory.belief.device
        batch = len(memory.belief)
        self.horizon, self.seed, self._size = horizon, seed, size
        self.rows = torch.arange(batch, device=device)
        self.count = torch.zeros(batch, dtype=torch.long, device=device)
        self.running = torch.ones(batch, dtype=torch.bool, device=device)
        self.ended = torch.zeros(batch, dtype=torch.bool, device=device)
        self._written: Token | None = None

    @property
    def written(self) -> Token:
        assert self._written is not None
        return self._written

    def noise(self, first: int, steps: int) -> Tensor:
        """Uniforms `[B, steps, size]` of the steps that begin `first` after the known one."""
        step = self.count[:, None] + first + torch.arange(steps, device=self.count.device)
        rows = self.rows[:, None].expand_as(step)
        return uniform(self.seed, rows.flatten(), step.flatten(), self._size).view(*step.shape, -1)

    def most_wanted(self) -> int:
        """The most steps that a running row still has to take."""
        return int((self.horizon - self.count[self.running]).max())

    def room(self, chunk: Token) -> Tensor:
        """How many drafts of `chunk: [B, K + 1]` lie before an end and the horizon, `[B]`."""
        columns = torch.arange(chunk.end.shape[1], device=self.count.device)
        first_end = torch.where(chunk.end, columns, chunk.end.shape[1] - 1).amin(1)
        return torch.minimum(first_end, self.horizon - self.count - 1)

    def commit(self, chunk: Token, kept: Tensor) -> Tensor:
        """Write the first step and the kept drafts of `chunk: [B, K + 1]`, up to an end or the horizon.

        Returns how many drafts each row kept, `[B]`, -1 in rows that had finished before.
        """
        if self._written is None:
            shape = (len(self.rows), self.horizon)
            self._written = chunk.map(lambda x: x.new_zeros((*shape, *x.shape[2:])))
        kept = torch.where(self.running, torch.minimum(kept, self.room(chunk)), -1)
        columns = torch.arange(chunk.end.shape[1], device=kept.device)
        row, column = (columns <= kept[:, None]).nonzero(as_tuple=True)
        for into, new in zip(self._written.parts(), chunk.parts(), strict=True):
            into[row, self.count[row] + column] = new[row, column]
        self.ended |= self.running & chunk.end[self.rows, kept.clamp_min(0)]
        self.count += kept + 1
        self.running &= ~self.ended & (self.count < self.horizon)
        return kept
