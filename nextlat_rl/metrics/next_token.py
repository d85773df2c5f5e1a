"""Next-token test of Vafa et al. (arXiv 2406.03689): how often the most likely move is legal.

It is the easiest of the map metrics: a model with a poor map can pass, since most moves are legal in most places.
"""

from collections.abc import Sequence

import numpy as np

from nextlat_rl.metrics.state_space import StateSpace, Traveller, Trip, allowed, state_after


def next_token_test(model: Traveller, space: StateSpace, trips: Sequence[Trip]) -> float:
    """Share of the proper beginnings of legal trips after which the most likely move is legal."""
    beginnings = [Trip(t.start, t.goal, t.moves[:k]) for t in trips for k in range(len(t.moves))]
    moves = model.log_probs(beginnings).argmax(axis=1).tolist()
    legal = [
        move in allowed(space, state_after(space, trip), trip.goal)
        for trip, move in zip(beginnings, moves, strict=True)
    ]
    return float(np.mean(legal))
