"""Reliability of rare events: how often they happen in dreams, and how often in reality, over the episode's time."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from nextlat_rl.metrics.trajectories import Trajectories
from nextlat_rl.spaces import Codec
from nextlat_rl.spaces.categorical import FieldsCodec, SymbolicGridCodec

_BINS, _MOST_EVENTS = 5, 8
_RARE, _OBJECTS = (0.001, 0.1), (0.001, 0.9)
OBJECTS = {3: "floor", 4: "door", 5: "key", 6: "ball", 7: "box", 8: "goal", 9: "lava"}
"""MiniGrid's object codes, without the unseen, empty and wall cells that nearly every view has."""

Happens = Callable[[Trajectories], np.ndarray]
"""`[N, K]` bool: whether it happens in a step, or in the observation after it."""


@dataclass(frozen=True)
class EventRates:
    """How often an event happens a step, in parts of an episode's time.

    Attributes:
        name: in words.
        edges: steps at which the parts begin, and where the last ends; each holds about as many real steps.
        real: happenings a real step, by part; None without a step.
        imagined: the same in dreams.
        real_steps: how many steps `real` was counted over.
        imagined_steps: the same in dreams.
    """

    name: str
    edges: list[int]
    real: list[float | None]
    imagined: list[float | None]
    real_steps: list[int]
    imagined_steps: list[int]

    def mean(self, rates: list[float | None], steps: list[int]) -> float | None:
        """Happenings a step over the whole time; None without a step."""
        total = sum(steps)
        return sum((rate or 0.0) * count for rate, count in zip(rates, steps, strict=True)) / total if total else None

    @property
    def real_rate(self) -> float | None:
        """Happenings a real step."""
        return self.mean(self.real, self.real_steps)

    @property
    def imagined_rate(self) -> float | None:
        """Happenings an imagined step."""
        return self.mean(self.imagined, self.imagined_steps)


def event_rates(real: Trajectories, imagined: Trajectories, codecs: Mapping[str, Codec]) -> list[EventRates]:
    """Rates of the episode's end, of a reward other than the usual, and of rare values of the categorical leaves.

    A value is rare if 0.1% to 10% of all observations have it. In a MiniGrid view the values are the kinds of objects
    in sight (0.1% to 90%), and how often one comes into view for the first time is an event of its own: its rate is
    the hazard, over the steps at which it has not been seen yet. At most eight events are kept.

    Args:
        real: episodes.
        imagined: dreams from the same starts.
        codecs: of the observation's leaves.
    """
    rewards, counts = np.unique(real.reward[real.taken], return_counts=True)
    usual = rewards[counts.argmax()]
    everywhere = [part.taken for part in (real, imagined)]
    edges = _edges(real)
    found = [_rates("the episode ends", edges, [part.ended for part in (real, imagined)], everywhere)]
    if len(rewards) > 1 and len(rewards) < len(real.reward[real.taken]) / 2:  # a continuous reward has no usual value
        paid = [np.abs(part.reward - usual) > 1e-3 for part in (real, imagined)]
        found.append(_rates(f"the reward is not {usual:g}", edges, paid, everywhere))
    for name, happens, first in _leaf_events(real, imagined, codecs):
        there = [happens(part) for part in (real, imagined)]
        found.append(_rates(name, edges, there, everywhere))
        if first:
            begun = [_before(part, happens) for part in (real, imagined)]
            not_yet = [t & ~b for t, b in zip(everywhere, begun, strict=True)]
            found.append(_rates(f"{name} for the first time", edges, there, not_yet))
    return found[:_MOST_EVENTS]


def _rates(name: str, edges: list[int], happens: list[np.ndarray], counted: list[np.ndarray]) -> EventRates:
    """Count `happens` where `counted`, both `[N, K]` of the real and of the imagined episodes, between the edges."""
    rates: list[list[float | None]] = []
    steps: list[list[int]] = []
    for there, where in zip(happens, counted, strict=True):
        parts = [slice(a, b) for a, b in pairwise(edges)]
        steps.append([int(where[:, part].sum()) for part in parts])
        hits = [int((there & where)[:, part].sum()) for part in parts]
        rates.append([hit / count if count else None for hit, count in zip(hits, steps[-1], strict=True)])
    return EventRates(name, edges, rates[0], rates[1], steps[0], steps[1])


def _edges(real: Trajectories) -> list[int]:
    """Ends of fifths of all real steps by their time."""
    when = np.nonzero(real.taken)[1]
    inner = np.quantile(when, np.arange(1, _BINS) / _BINS).round().astype(int).tolist()
    return sorted({0, *inner, int(real.length.max())})


def _before(part: Trajectories, happens: Happens) -> np.ndarray:
    """`[N, K]` bool: whether an earlier observation, the first one included, already showed it."""
    at_start = Trajectories(
        {name: np.repeat(leaf[:, :1], 2, axis=1) for name, leaf in part.observation.items()},
        part.action[:, :1],
        part.reward[:, :1],
        part.ended[:, :1],
        part.length,
    )
    shown = np.concatenate((happens(at_start), happens(part)), axis=1)
    return np.maximum.accumulate(shown, axis=1)[:, :-1]


def _leaf_events(
    real: Trajectories, imagined: Trajectories, codecs: Mapping[str, Codec]
) -> Iterator[tuple[str, Happens, bool]]:
    """Name, event and whether its first time counts too; the most frequent first."""
    candidates: list[tuple[float, str, Happens, bool]] = []
    for leaf, codec in codecs.items():
        if not isinstance(codec, FieldsCodec):
            continue
        grid = isinstance(codec, SymbolicGridCodec)
        low, high = _OBJECTS if grid else _RARE
        for name, happens in _objects(leaf) if grid else _values(leaf, codec):
            hits = sum(int((happens(part) & part.taken).sum()) for part in (real, imagined))
            share = hits / max(sum(int(part.taken.sum()) for part in (real, imagined)), 1)
            if low <= share <= high:
                candidates.append((share, name, happens, grid))
    for _, name, happens, grid in sorted(candidates, key=lambda found: -found[0])[:_MOST_EVENTS]:
        yield name, happens, grid


def _objects(leaf: str) -> Iterator[tuple[str, Happens]]:
    for code, name in OBJECTS.items():

        def in_view(part: Trajectories, code: int = code) -> np.ndarray:
            return (part.observation[leaf][:, 1:, ..., 0] == code).any((-2, -1))

        yield f"a {name} is in view", in_view


def _values(leaf: str, codec: FieldsCodec) -> Iterator[tuple[str, Happens]]:
    sizes = codec.fields(codec.space)[0].reshape(-1).tolist()
    for field, size in enumerate(sizes[:32]):
        for value in range(min(size, 32)):

            def has_value(part: Trajectories, field: int = field, value: int = value) -> np.ndarray:
                seen = part.observation[leaf][:, 1:]
                return seen.reshape(*seen.shape[:2], -1)[..., field] == value

            yield f"{leaf}{f'[{field}]' if len(sizes) > 1 else ''} is {value}", has_value
