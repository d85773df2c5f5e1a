"""Lossless speculative acting: decide for the futures that will probably come, in one batch, before they come.

From each belief the latent dynamics drafts the next K actions and the observations they should bring. One trunk pass
over the draft gives the exact beliefs of those K futures, and one batched call decides in all of them. While reality
repeats the draft, the decision that lies ready is the one that would have been made; at the first difference the cache
is cropped and a new draft begins. The actions are those of deciding at every step, for a share of the calls.
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
from nextlat_rl.drafting.exactness import can_come_true
from nextlat_rl.drafting.length import DraftLength, FixedLength, RoundClock
from nextlat_rl.drafting.rollout import DraftStatistics
from nextlat_rl.drafting.token import Token, embed_token, from_parts, mode_token, stack
from nextlat_rl.models.nextlat import NextLat
from nextlat_rl.tracing import Traced, padded
from nextlat_rl.types import Step
from nextlat_rl.world_model import WorldModel


class SpeculativeAgent:
    """Acts like `Agent` with `acting="trunk"`, with fewer passes of the trunk and calls of the planner.

    Args:
        world_model: the trained model.
        batch_size: number of environments, each a row.
        length: how many steps to draft; with continuous observations, which no guess repeats exactly, none are.
        deterministic: most likely actions instead of drawn ones.
        seed: keys the noise together with (episode, step).
        planner: decides; without one the policy does.

    """

    def __init__(
        self,
        world_model: WorldModel,
        batch_size: int,
        length: DraftLength,
        deterministic: bool = False,
        seed: int = 0,
        planner: Planner | None = None,
    ) -> None:
        length = length if can_come_true(world_model.model) else FixedLength(0)
        self.world_model, self.length, self.clock = world_model, length, RoundClock(length)
        self.decide: Decide = make_decide(world_model, deterministic, seed, planner)
        # A guess of the decision has to be cheap: the policy's own, with the noise that the decision will have.
        self.guess: Decide = make_decide(world_model, deterministic or planner is not None, seed, None)
        self.statistics = DraftStatistics()
        self.calls, self.decisions = 0, 0  # of the trunk and the planner for one row; one row's actions
        model, device = world_model.model, world_model.device
        cache = world_model.memory(batch_size, "trunk", draft=length.longest).cache
        assert cache is not None
        self.cache = cache
        self.step = torch.zeros(batch_size, dtype=torch.long, device=device)
        self.last_action = world_model.no_actions(batch_size)
        self.draft = _Drafts(world_model, batch_size, length.longest)
        self._carry = Traced(model, model.dynamics)
        self._ahead = Traced(model, lambda belief, action: _ahead(model, belief, action))

    @property
    def belief(self) -> Tensor:
        """`[B, D]` where each row stands."""
        return self.draft.belief()

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
        self.step.masked_fill_(first, 0)
        missing, decided = self.draft.rows, None
        if self.draft.any_ready:
            missing = (~self.draft.came_true(step)).nonzero().squeeze(1)
        if len(missing):
            self.calls += len(missing)
            if self.draft.any_drafted:
                self._judge(missing[self.draft.length[missing] > 0], first)
            length, guessed, usable = self.clock.next_round(), 0, 0
            episode = torch.tensor(episodes, dtype=torch.long, device=wm.device)
            if not length and len(missing) == len(self.step):
                decided = self._decide_now(step, episode)
            else:
                guessed, usable = self._draft(step, missing, episode, length)
            self.clock.drafted(guessed, usable)
        self.decisions += len(observations)
        self.last_action = self.draft.decision() if decided is None else decided
        self.step += 1
        actions = wm.decode_actions(self.last_action)
        self.clock.spent(time.perf_counter() - started)
        return actions

    def summary(self, planned: bool) -> dict[str, Any]:
        """Figures for a result row."""
        drafts, calls = self.statistics, self.calls / max(self.decisions, 1)
        return {
            "accepted_per_draft": drafts.accepted_per_draft,
            "acceptance_by_position": drafts.acceptance,
            "accepted_histogram": drafts.histogram,
            "planner_calls_per_step": calls if planned else 0.0,
            "trunk_calls_per_step": calls,
        }

    def _judge(self, rows: Tensor, first: Tensor) -> None:
        """Count how much of the drafts of `rows` came true.

        One that an episode's end cut short says nothing of how good drafts are, but it does of how far to draft.
        """
        kept = self.draft.index[rows].cpu().numpy()
        judged = np.minimum(kept + 1, self.draft.length[rows].cpu().numpy())
        self.length.judged(judged, kept)
        went_on = ~first[rows].cpu().numpy()
        self.statistics.add(judged[went_on], kept[went_on])

    def _decide_now(self, step: Step, episode: Tensor) -> Tensor:
        """Decide in every row without a draft, `[B, *action]`: `_draft` with a length of 0, at an `Agent`'s cost."""
        x = self.world_model.embed_step(
            step.previous_action, step.previous_reward, step.is_first, *step.observation.values()
        )
        if self.draft.any_drafted:
            self.cache.crop(self.draft.read)
        self.cache.reset(step.is_first)
        belief = self.world_model.model.trunk.extend(x[:, None], self.cache)[:, 0]
        self.draft.put_one(step.is_first, belief)
        return self.decide(belief, episode, self.step)

    def _draft(self, step: Step, missing: Tensor, episode: Tensor, length: int) -> tuple[int, int]:
        """Draft up to `length` steps in the rows `missing: [R]`, read them with the trunk, and decide everywhere.

        Returns how many steps were guessed, and how many of them are drafted: the one that would end the episode is
        paid for, but there is nothing to decide after it.
        """
        rows = padded(missing)
        model, draft, first = self.world_model.model, self.draft, step.is_first[rows]
        leaves = [leaf[rows] for leaf in step.observation.values()]
        x = self.world_model.embed_step(step.previous_action[rows], step.previous_reward[rows], first, *leaves)
        embedded, tokens = [x], []
        if length:
            guess = self._carry(draft.belief()[rows], x)
            if first.any():
                segment = torch.zeros_like(rows[first])[:, None]
                guess[first] = model.trunk(x[first][:, None], segment)[:, 0]
        guessed = 0
        for k in range(length):
            guessed += 1
            action = self.guess(guess, episode[rows], self.step[rows] + k)
            guess, x, *parts = self._ahead(guess, action)
            token = from_parts(step.observation, parts)
            if token.end.all():
                break
            embedded.append(x)
            tokens.append(token)
        length = len(tokens)
        whole = torch.equal(rows, draft.rows)
        part = self.cache if whole else self.cache.index_select(rows)
        part.reset(first)
        part.crop(draft.read[rows])
        belief = model.trunk.extend(torch.stack(embedded, 1), part)  # [R, K + 1, D]
        ahead = torch.arange(length + 1, device=rows.device)
        times = (self.step[rows][:, None] + ahead).flatten()
        decision = self.decide(belief.flatten(0, 1), episode[rows].repeat_interleave(length + 1), times)
        count = len(missing)
        if not whole:
            self.cache.index_copy(missing, part.index_select(draft.rows[:count]))
        draft.read[rows] = torch.where(first, 0, draft.read[rows])
        draft.put(missing, tokens, belief[:count], decision.unflatten(0, (-1, length + 1))[:count])
        return guessed, length


class _Drafts:
    """What lies ready in each of B rows: up to K drafted steps, and the belief and the decision after each of them."""

    def __init__(self, world_model: WorldModel, batch_size: int, longest: int) -> None:
        action, device = world_model.no_actions(batch_size), world_model.device
        width = world_model.model.config.width
        self.rows = torch.arange(batch_size, device=device)
        self.token: Token | None = None  # [B, K]
        self.any_ready = False  # whether any row has drafted steps left
        self.any_drafted = False  # whether any row had any since they were last put
        self.decisions = action[:, None].repeat(1, longest + 1, *([1] * (action.dim() - 1)))
        self.beliefs = torch.zeros(batch_size, longest + 1, width, device=device)
        self.length = torch.zeros(batch_size, dtype=torch.long, device=device)
        self.index = torch.zeros_like(self.length)  # drafted steps that have come true
        self.read = torch.zeros_like(self.length)  # real steps of the episode that the trunk has read

    def came_true(self, step: Step) -> Tensor:
        """Whether the real step `[B]` is the drafted one, if any is ready; where it is, the row moves on."""
        assert self.token is not None
        at = self.index.clamp_max(self.token.end.shape[1] - 1)
        expected = self.token.map(lambda x: x[self.rows, at])
        same = ~step.is_first & ~expected.end & (self.index < self.length)
        same &= _equal(expected.action, step.previous_action) & (expected.reward == step.previous_reward)
        for name, leaf in step.observation.items():
            same &= _equal(expected.observation[name], leaf)
        self.index += same
        self.read += same
        return same

    def belief(self) -> Tensor:
        """`[B, D]` where each row stands."""
        return self.beliefs[self.rows, self.index]

    def decision(self) -> Tensor:
        """Stored actions `[B, *action]` where each row stands."""
        return self.decisions[self.rows, self.index]

    def put(self, rows: Tensor, tokens: list[Token], belief: Tensor, decision: Tensor) -> None:
        """New drafts of `rows: [R]`, from `tokens` of at least R rows, `belief: [R, K + 1, D]` and decisions."""
        steps = belief.shape[1]
        if tokens:
            token = stack(tokens).map(lambda x: x[: len(rows)])
            if self.token is None:
                longest = self.beliefs.shape[1] - 1
                self.token = token.map(lambda x: x.new_zeros((len(self.rows), longest, *x.shape[2:])))
            for into, new in zip(self.token.parts(), token.parts(), strict=True):
                into[rows, : steps - 1] = new
        self.beliefs[rows, :steps] = belief
        self.decisions[rows, :steps] = decision
        self.length[rows], self.index[rows] = steps - 1, 0
        self.any_ready = bool((self.length > self.index).any())
        self.any_drafted = bool(self.length.any())
        self.read[rows] += 1

    def put_one(self, first: Tensor, belief: Tensor) -> None:
        """In place of drafts the belief `[B, D]` where each row stands; nobody will ask for a decision there."""
        self.beliefs[:, 0] = belief
        if self.any_drafted:
            self.length.zero_()
            self.index.zero_()
        self.any_ready = self.any_drafted = False
        self.read.masked_fill_(first, 0).add_(1)


def _ahead(model: NextLat, belief: Tensor, action: Tensor) -> tuple[Tensor, ...]:
    """One drafted step from `belief: [R, D]`: the next belief, emb(x) of the step, and its parts."""
    token = mode_token(model, belief, action)
    x = embed_token(model, token)
    return model.dynamics(belief, x), x, *token.parts()


def _equal(a: Tensor, b: Tensor) -> Tensor:
    """Equality of whole elements, `[B, *element]` twice to `[B]`."""
    return (a == b).flatten(1).all(1) if a.dim() > 1 else a == b
