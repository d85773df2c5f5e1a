"""The parts of `suite=speculation`: what is trained, and how much is measured on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_LARGE = (
    "model=large",
    "trainer.batch_size=12",
    "trainer.steps=400",
    "trainer.learning_rate=0.001",
    "trainer.eval_episodes=64",
)
# Whole texts are drawn here, prompts as well as answers.
_TOKENS = ("planner=none", "objective.prompt_weight=1", "collect.steps=50000")


@dataclass(frozen=True)
class SpeculationTask:
    """What is trained, and how much is measured.

    Attributes:
        env: Gymnasium id.
        horizon: steps of the longest imagined trajectory; 0 leaves imagination out.
        options: of the main job.
        decisions: on how many acting is timed; 0 leaves it out.

    """

    env: str
    horizon: int = 0
    options: Sequence[str] = ()
    decisions: int = 0


TASKS = {
    "DoorKey": SpeculationTask("MiniGrid-DoorKey-5x5", 20, decisions=4_000),
    "FourRooms": SpeculationTask("MiniGrid-FourRooms", 50, decisions=3_000),
    "CartPole": SpeculationTask("CartPole-v1", decisions=5_000),
    "Acrobot": SpeculationTask("Acrobot-v1", decisions=3_000),
    "LunarLander": SpeculationTask("LunarLander-v3", decisions=6_000),
    "Pendulum": SpeculationTask("Pendulum-v1", options=("planner=none",), decisions=4_000),
    "Running": SpeculationTask("NextLat/Running-S3-2", 24, _TOKENS),
    "DoorKey-12x384": SpeculationTask("MiniGrid-DoorKey-5x5", 20, _LARGE, decisions=1_500),
    "Running-12x384": SpeculationTask("NextLat/Running-S3-2", 24, (*_LARGE, *_TOKENS)),
}
