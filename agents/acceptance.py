"""When a drafted step stands for the real one: if it is equal to it, or if the beliefs stay near enough."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from nextlat_rl.drafting.token import Token, stack
from nextlat_rl.models.transformer import KVCache
from nextlat_rl.spaces.categorical import DiscreteCodec
from nextlat_rl.types import Step
from nextlat_rl.world_model import WorldModel


@dataclass
class DraftedStep:
    """A step that the latent dynamics drafts in R rows."""

    belief: Tensor  # [R, D] after it
    embedding: Tensor  # [R, D] emb(x)
    token: Token  # [R]


class Drafts:
    """Decisions made ahead in each of B rows: one at the last real step and one after each of up to K drafted steps."""

    def __init__(self, world_model: WorldModel, batch_size: int, longest: int) -> None:
        action = world_model.no_actions(batch_size)
        self.longest = longest
        self.rows = torch.arange(batch_size, device=world_model.device)
        self.decisions = action[:, None].repeat(1, longest + 1, *([1] * (action.dim() - 1)))
        self.length = torch.zeros_like(self.rows)  # [B] drafted steps
        self.index = torch.zeros_like(self.rows)  # [B] how many of them were accepted
        self.any = False  # whether any row has drafted steps

    def decision(self) -> Tensor:
        """Stored actions `[B, *action]` after the steps accepted so far."""
        return self.decisions[self.rows, self.index]

    def put(self, rows: Tensor, decisions: Tensor) -> None:
        """New drafts of `rows: [R]` with their `decisions: [R, K + 1, *action]`."""
        steps = decisions.shape[1]
        self.decisions[rows, :steps] = decisions
        self.length[rows], self.index[rows] = steps - 1, 0
        self.any = bool(self.length.any())


class Acceptance(ABC):
    """Compares reality with the drafts and keeps the trunk's cache in step with it.

    Args:
        world_model: the trained model.
        drafts: of the agent's rows.
        room: how many steps beyond its context the cache must hold.
    """

    def __init__(self, world_model: WorldModel, drafts: Drafts, room: int) -> None:
        self.world_model, self.drafts = world_model, drafts
        cache = world_model.memory(len(drafts.rows), "trunk", draft=room).cache
        assert cache is not None
        self.cache: KVCache = cache

    @property
    @abstractmethod
    def belief(self) -> Tensor:
        """Beliefs `[B, D]` at the last observations."""

    @abstractmethod
    def accepts(self, step: Step) -> Tensor:
        """Whether each row's next drafted step stands for the real one, `[B]` bool; called while any is drafted."""

    @abstractmethod
    def begin(self, step: Step, rows: Tensor, drafting: bool) -> Tensor:
        """Beliefs `[R, D]` after the real step, in `rows: [R]`, that drafts begin from; exact or by the dynamics."""

    @abstractmethod
    def exact(self, rows: Tensor, drafted: list[DraftedStep], count: int) -> Tensor:
        """The trunk's beliefs `[R, K + 1, D]` after the real step and after K drafted ones.

        Of `rows: [R]`, which `begin` was called with, the first `count` are different ones; what `accepts` needs of
        them is kept.
        """

    @abstractmethod
    def read_one(self, step: Step) -> Tensor:
        """The trunk's beliefs `[B, D]` after a real step of every row, while nothing is drafted."""

    def _embed(self, step: Step, rows: Tensor | None = None) -> Tensor:
        """emb(x) `[R, D]` of a step in `rows: [R]`, by default in all."""
        parts = (step.previous_action, step.previous_reward, step.is_first, *step.observation.values())
        x: Tensor = self.world_model.embed_step(*(parts if rows is None else (part[rows] for part in parts)))
        return x


class ExactMatch(Acceptance):
    """A draft holds while reality repeats it in every part: the decisions are those of deciding at every step.

    The trunk has read the drafted steps already, so while they come true nothing is left to read; at the first
    difference the cache is cropped.
    """

    def __init__(self, world_model: WorldModel, drafts: Drafts) -> None:
        super().__init__(world_model, drafts, drafts.longest)
        batch_size = len(drafts.rows)
        self._token: Token | None = None  # [B, K]
        self._beliefs = world_model.zeros(batch_size, drafts.longest + 1, world_model.belief_size)
        self._read = torch.zeros_like(drafts.rows)  # [B] real steps of the episode that the cache holds

    @property
    def belief(self) -> Tensor:
        """Beliefs `[B, D]` at the last observations."""
        return self._beliefs[self.drafts.rows, self.drafts.index]

    def accepts(self, step: Step) -> Tensor:
        """See `Acceptance.accepts`."""
        assert self._token is not None
        drafts, width = self.drafts, self._token.end.shape[1]
        expected = self._token.map(lambda x: x[drafts.rows, drafts.index.clamp_max(width - 1)])
        same = ~step.is_first & ~expected.end & (drafts.index < drafts.length)
        same &= _equal(expected.action, step.previous_action) & (expected.reward == step.previous_reward)
        for name, leaf in step.observation.items():
            same &= _equal(expected.observation[name], leaf)
        self._read += same
        return same

    def begin(self, step: Step, rows: Tensor, drafting: bool) -> Tensor:
        """See `Acceptance.begin`; by the dynamics, so that one pass of the trunk reads the real and drafted steps."""
        self._first, self._x = step.is_first[rows], self._embed(step, rows)
        belief = self.belief[rows]
        if drafting:
            belief = self.world_model.advance(belief, self._x)
            if self._first.any():
                belief[self._first] = self.world_model.first_belief(self._x[self._first])
        return belief

    def exact(self, rows: Tensor, drafted: list[DraftedStep], count: int) -> Tensor:
        """See `Acceptance.exact`."""
        whole = torch.equal(rows, self.drafts.rows)
        part = self.cache if whole else self.cache.index_select(rows)
        part.reset(self._first)
        part.crop(self._read[rows])
        belief = self.world_model.read(torch.stack([self._x, *(step.embedding for step in drafted)], 1), part)
        unique = rows[:count]
        if not whole:
            self.cache.index_copy(unique, part.index_select(self.drafts.rows[:count]))
        self._read[unique] = torch.where(self._first[:count], 0, self._read[unique]) + 1
        self._beliefs[unique, : len(drafted) + 1] = belief[:count]
        if drafted:
            self._keep(unique, stack([step.token for step in drafted]).map(lambda x: x[:count]))
        return belief

    def read_one(self, step: Step) -> Tensor:
        """See `Acceptance.read_one`."""
        self.cache.reset(step.is_first)
        belief = self.world_model.read(self._embed(step)[:, None], self.cache)[:, 0]
        self._beliefs[:, 0] = belief
        self._read.masked_fill_(step.is_first, 0).add_(1)
        return belief

    def _keep(self, rows: Tensor, token: Token) -> None:
        """Remember the drafted steps `[R, K]` of `rows: [R]`."""
        if self._token is None:
            shape = (len(self.drafts.rows), self.drafts.longest)
            self._token = token.map(lambda x: x.new_zeros((*shape, *x.shape[2:])))
        for into, new in zip(self._token.parts(), token.parts(), strict=True):
            into[rows, : token.end.shape[1]] = new


class WithinTolerance(Acceptance):
    """A draft holds while the latent dynamics, following reality, stays within a tolerance of it.

    Where observations are continuous no draft comes true exactly. A decision made ahead was made for a slightly
    different belief; `calibrate` finds the tolerance at which few enough of them are wrong. The trunk reads the real
    steps when the draft is over.

    Args:
        world_model: the trained model.
        drafts: of the agent's rows.
        tolerance: largest `distance / margin` at which a drafted step is accepted; below 0 none is.

    Attributes:
        furthest: `[B]` largest `distance / margin` in the draft in use.
    """

    def __init__(self, world_model: WorldModel, drafts: Drafts, tolerance: float) -> None:
        super().__init__(world_model, drafts, drafts.longest + 1)
        self.tolerance = tolerance
        shape = (len(drafts.rows), drafts.longest + 1)
        self._belief = world_model.zeros(shape[0], world_model.belief_size)
        self._expected = world_model.zeros(*shape, world_model.belief_size)  # along the draft
        self._unread = torch.zeros_like(self._expected)  # emb(x) of real steps that the trunk has not read yet
        self._margin = world_model.zeros(*shape) + 1
        self.furthest = world_model.zeros(shape[0])

    @property
    def belief(self) -> Tensor:
        """Beliefs `[B, D]` at the last observations; within a draft they are the dynamics'."""
        return self._belief

    def accepts(self, step: Step) -> Tensor:
        """See `Acceptance.accepts`."""
        drafts = self.drafts
        self._x = self._embed(step)
        self._belief = self.world_model.advance(self._belief, self._x)
        self._unread[drafts.rows, drafts.index] = self._x
        at = (drafts.rows, (drafts.index + 1).clamp_max(drafts.length))
        gap = distance(self._belief, self._expected[at]) / self._margin[at]
        self.furthest = torch.maximum(self.furthest, gap)
        return ~step.is_first & (gap <= self.tolerance) & (drafts.index < drafts.length)

    def begin(self, step: Step, rows: Tensor, drafting: bool) -> Tensor:
        """See `Acceptance.begin`; exact."""
        first = step.is_first[rows]
        last = torch.where(first, 0, self.drafts.index[rows])  # the step just taken, among those not read
        x = self._x if self.drafts.any else self._embed(step)
        self._unread[rows, last] = x[rows]
        part = self.cache.index_select(rows)
        part.reset(first)
        before = part.position.clone()
        hidden = self.world_model.read(self._unread[rows, : int(last.max()) + 1], part)
        part.crop(before + last + 1)
        self.cache.index_copy(rows, part)
        belief = hidden[torch.arange(len(rows), device=rows.device), last]
        self._belief[rows] = belief
        return belief

    def exact(self, rows: Tensor, drafted: list[DraftedStep], count: int) -> Tensor:
        """See `Acceptance.exact`; what the trunk reads of the draft is not kept in its cache."""
        exact = self._belief[rows][:, None]
        expected = torch.stack([exact[:, 0], *(step.belief for step in drafted)], 1)
        if drafted:
            embedded = torch.stack([step.embedding for step in drafted], 1)
            exact = torch.cat((exact, self.world_model.read(embedded, self.cache.index_select(rows))), 1)
        self._expected[rows, : len(drafted) + 1] = expected
        self._margin[rows, : len(drafted) + 1] = margin(self.world_model, exact)
        self.furthest[rows] = 0.0
        return exact

    def read_one(self, step: Step) -> Tensor:
        """See `Acceptance.read_one`."""
        self.cache.reset(step.is_first)
        self._belief = self.world_model.read(self._embed(step)[:, None], self.cache)[:, 0]
        return self._belief


def margin(world_model: WorldModel, belief: Tensor) -> Tensor:
    """How clear the policy's decision is at `belief: [*B, D]`, in (0, 1]: the lead of the most likely discrete action.

    A small error of the belief changes a narrow decision and leaves a clear one alone. 1 for actions of other spaces.
    """
    if not isinstance(world_model.action_codec, DiscreteCodec):
        return belief.new_ones(belief.shape[:-1])
    first, second = world_model.policy_parameters(belief).softmax(-1).topk(2, dim=-1).values.unbind(-1)
    return (first - second).clamp_min(1e-6)


def distance(belief: Tensor, expected: Tensor) -> Tensor:
    """Root mean square difference of beliefs, `[*B, D]` twice to `[*B]`."""
    return (belief - expected).square().mean(-1).sqrt()


def _equal(a: Tensor, b: Tensor) -> Tensor:
    """Equality of whole elements, `[B, *element]` twice to `[B]`."""
    return (a == b).flatten(1).all(1) if a.dim() > 1 else a == b
