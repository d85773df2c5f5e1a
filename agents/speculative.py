"""Speculative acting: decide for the futures that will probably come, in one batch, before they come.

From each belief the latent dynamics drafts the next K actions and the observations they should bring. One trunk pass
over the draft gives the exact beliefs of those K futures, and one batched call decides in all of them. While reality
agrees with the draft, the decision made ahead is taken; when it no longer does, a new draft begins. What counts as
agreement is said in `acceptance`.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from nextlat_rl.agents.acceptance import Acceptance, DraftedStep, Drafts, ExactMatch, WithinTolerance
from nextlat_rl.agents.agent import BatchAgent, Decide, make_decide
from nextlat_rl.agents.planning.planner import Planner
from nextlat_rl.drafting.exactness import can_come_true
from nextlat_rl.drafting.length import AdaptiveLength, DraftLength, FixedLength, RoundClock
from nextlat_rl.drafting.rollout import DraftStatistics
from nextlat_rl.drafting.token import from_parts
from nextlat_rl.tracing import lasting, padded
from nextlat_rl.types import Step
from nextlat_rl.world_model import WorldModel


class SpeculativeAgent(BatchAgent):
    """Acts like `Agent` with `acting="trunk"`, with fewer passes of the trunk and calls of the planner.

    Args:
        world_model: the trained model.
        batch_size: number of environments, each a row.
        length: how many steps to draft; by default adaptive, up to 8.
        deterministic: most likely actions instead of drawn ones.
        seed: keys the noise together with (episode, step).
        planner: decides; without one the policy does.
        tolerance: None accepts only drafts that come true exactly, so that no decision changes; with continuous
            observations, which no draft repeats, nothing is drafted then. A number, from `calibrate`, accepts drafts
            while beliefs stay within it; below 0, where none would be accepted, nothing is drafted.

    Attributes:
        calls: of trunk and planner, each for one row.
        decisions: actions, of one row each.
        statistics: how many drafted steps were accepted.
    """

    @lasting
    def __init__(
        self,
        world_model: WorldModel,
        batch_size: int = 1,
        length: DraftLength | None = None,
        deterministic: bool = False,
        seed: int = 0,
        planner: Planner | None = None,
        tolerance: float | None = None,
    ) -> None:
        super().__init__(world_model, batch_size)
        drafting = can_come_true(world_model.observation_codecs) if tolerance is None else tolerance >= 0
        self.length: DraftLength = FixedLength(0) if not drafting else length or AdaptiveLength()
        self.clock = RoundClock(self.length)
        self.decide: Decide = make_decide(world_model, deterministic, seed, planner)
        # A guess of the decision has to be cheap: the policy's own, with the noise that the decision will have.
        self.guess: Decide = make_decide(world_model, deterministic or planner is not None, seed, None)
        self.drafts = Drafts(world_model, batch_size, self.length.longest)
        self.acceptance: Acceptance = (
            ExactMatch(world_model, self.drafts)
            if tolerance is None
            else WithinTolerance(world_model, self.drafts, tolerance)
        )
        self.statistics = DraftStatistics()
        self.calls, self.decisions = 0, 0

    @property
    def belief(self) -> Tensor:
        """Beliefs `[B, D]` at the last observations."""
        return self.acceptance.belief

    @property
    def ahead(self) -> Tensor:
        """Whether each row's last decision was made ahead of its observation, `[B]` bool."""
        return self.drafts.index > 0

    def drop(self, rows: Tensor) -> None:
        """Use the drafts of `rows` (`[B]` bool) no further."""
        self.drafts.length = torch.where(rows, self.drafts.index, self.drafts.length)

    def summary(self, planned: bool) -> dict[str, Any]:
        """Figures for a result row."""
        drafts, calls = self.statistics, self.calls / max(self.decisions, 1)
        tolerance = {"tolerance": self.acceptance.tolerance} if isinstance(self.acceptance, WithinTolerance) else {}
        return tolerance | {
            "accepted_per_draft": drafts.accepted_per_draft,
            "acceptance_by_position": drafts.acceptance,
            "accepted_histogram": drafts.histogram,
            "planner_calls_per_step": calls if planned else 0.0,
            "trunk_calls_per_step": calls,
        }

    def _choose(self, step: Step, episode: Tensor) -> Tensor:
        drafts, missing, decided = self.drafts, self.drafts.rows, None
        if drafts.any:
            accepted = self.acceptance.accepts(step)
            missing = (~accepted).nonzero().squeeze(1)
            drafts.index += accepted
        if len(missing):
            self.calls += len(missing)
            if drafts.any:
                self._judge(missing[drafts.length[missing] > 0], step.is_first)
            length, guessed, usable = self.clock.next_round(), 0, 0
            if length or drafts.any:
                guessed, usable = self._draft(step, missing, episode, length)
            else:
                decided = self.decide(self.acceptance.read_one(step), episode, self.step)
            self.clock.drafted(guessed, usable)
        self.decisions += len(drafts.rows)
        return drafts.decision() if decided is None else decided

    def _acted(self, seconds: float) -> None:
        self.clock.spent(seconds)

    def _judge(self, rows: Tensor, first: Tensor) -> None:
        """Count how much of the drafts of `rows: [R]` was accepted.

        Drafts cut short by an episode's end count for the draft length, not for the statistics of drafts.
        """
        if not len(rows):
            return
        kept = self.drafts.index[rows].cpu().numpy()
        judged = np.minimum(kept + 1, self.drafts.length[rows].cpu().numpy())
        self.length.judged(judged, kept)
        went_on = ~first[rows].cpu().numpy()
        self.statistics.add(judged[went_on], kept[went_on])

    def _draft(self, step: Step, missing: Tensor, episode: Tensor, length: int) -> tuple[int, int]:
        """Draft up to `length` steps in the rows `missing: [R]` and decide after each of them.

        Returns how many steps were guessed, and how many of them are drafted: the one that would end the episode is
        paid for, but there is nothing to decide after it.
        """
        rows = padded(missing)
        belief, drafted, guessed = self.acceptance.begin(step, rows, length > 0), [], 0
        for k in range(length):
            guessed += 1
            action = self.guess(belief, episode[rows], self.step[rows] + k)
            belief, x, *answer = self.world_model.draft_step(belief, action)
            token = from_parts(step.observation, [action, *answer])
            if token.end.all():
                break
            drafted.append(DraftedStep(belief, x, token))
        count, usable = len(missing), len(drafted)
        exact = self.acceptance.exact(rows, drafted, count)  # [R, K + 1, D]
        times = (self.step[rows][:, None] + torch.arange(usable + 1, device=rows.device)).flatten()
        decision = self.decide(exact.flatten(0, 1), episode[rows].repeat_interleave(usable + 1), times)
        self.drafts.put(missing, decision.unflatten(0, (-1, usable + 1))[:count])
        return guessed, usable
