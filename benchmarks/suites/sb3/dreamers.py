"""PPO that never leaves imagination: on which tasks, and in which variants."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Dream:
    """A task of PPO in imagination.

    Attributes:
        env: Gymnasium id.
        horizon: steps of an imagined episode.
        steps: imagined steps that PPO trains for.
        options: of the main job.

    """

    env: str
    horizon: int
    steps: int
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Dreamer:
    """PPO in imagination.

    Attributes:
        name: of the agent in the rows.
        within: episodes are cut at beliefs further off than this share of the data's; 0 never cuts.
        heads: it begins as the world model's policy and value (`BeliefPolicy`).
        price: `behaviour_price` of the imagined environments.

    """

    name: str
    within: float = 0.0
    heads: bool = False
    price: float = 0.0


DREAMS = {
    "CartPole": Dream("CartPole-v1", 100, 400_000),
    "FourRooms": Dream("MiniGrid-FourRooms", 100, 500_000),
    # Data with something to gain from: the explorer, but every fifth action at random.
    "FourRooms-noisy": Dream("MiniGrid-FourRooms", 100, 500_000, ("collect.behaviour=explorer", "collect.epsilon=0.2")),
}
DREAMERS = (
    Dreamer("PPO in imagination, on beliefs"),
    Dreamer("PPO in imagination, cut", within=0.99),
    Dreamer("PPO in imagination, from policy", heads=True),
    Dreamer("PPO in imagination, price 0.1", heads=True, price=0.1),
    Dreamer("PPO in imagination, price 0.3", heads=True, price=0.3),
)
