"""Drafts that end where they are unsure: distributed as the trunk's own, too, and ended by AdaEDL's bound."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmarks.suites.speculation.entropy_stop import EntropyStop, UntilUnsure
from nextlat_rl.drafting.drafter import SequentialDrafter
from nextlat_rl.drafting.make import make_drafter, make_net, needs_training
from nextlat_rl.drafting.rollout import SpeculativeRollout
from nextlat_rl.drafting.token import Token
from nextlat_rl.models.nextlat import NextLat
from nextlat_rl.world_model import WorldModel
from tests.drafting.test_rollout import chi_square, enumerable_model, exact_distribution, keys, start


def drafter_for(name: str, model: NextLat) -> SequentialDrafter:
    torch.manual_seed(1)
    world_model = WorldModel(model, "none")
    drafter = make_drafter(world_model, name, make_net(world_model, name).eval() if needs_training(name) else None)
    assert isinstance(drafter, SequentialDrafter)
    return drafter


@pytest.mark.parametrize(("name", "often"), [("nextlat", 100), ("layerskip", 50)])
def test_a_draft_that_stops_where_it_is_unsure_keeps_the_distribution(name: str, often: int) -> None:
    world_model = WorldModel(enumerable_model(), "none")
    lengths: Counter[int] = Counter()

    class Watched(UntilUnsure):
        def draft(self, belief: Tensor, token: Token, uniform: Tensor) -> Token:
            draft = super().draft(belief, token, uniform)
            if uniform.shape[1] == 2 and not draft.end[0, 0]:
                lengths[draft.end.shape[1]] += 1
            return draft

    class Still(EntropyStop):
        def judged(self, judged: np.ndarray, kept: np.ndarray) -> None:
            self.threshold = 0.45  # some steps are likelier than this bound says, others are not

    stop = Still(3)
    stop.threshold = 0.45
    draw = SpeculativeRollout(world_model, Watched(drafter_for(name, world_model.model), stop), stop)
    seen: Counter[tuple[int, ...]] = Counter()
    for seed in range(800):
        seen.update(keys(draw(start(world_model, 1, 3), 3, seed)))
    assert min(lengths[1], lengths[2]) > often
    assert abs(chi_square(seen, exact_distribution(world_model, 3), 800)) < 4


def test_drafts_go_on_while_the_bound_on_acceptance_is_high_and_the_bound_moves_with_what_is_kept() -> None:
    stop = EntropyStop(4)
    assert stop.choose() == 4
    assert stop.goes_on(torch.tensor([-1.25]))  # 1 - sqrt(0.2 * 1.25) is 0.5, the threshold
    assert not stop.goes_on(torch.tensor([-1.26]))
    assert stop.goes_on(torch.tensor([-2.0, 0.0]))  # 1 - sqrt(0.4) and 1: the mean counts
    for kept, threshold in ((0, 0.51), (4, 0.52), (4, 0.53), (4, 0.52), (4, 0.51)):  # the share: .45 .725 .86 .93 .97
        stop.drafted(4, 4)
        stop.judged(np.array([4]), np.array([kept]))
        assert stop.threshold == pytest.approx(threshold)
