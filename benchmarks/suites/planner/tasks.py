"""The parts of `suite=planner`: what is trained, which planners act, how policies are improved, who the rivals are."""

from __future__ import annotations

from dataclasses import dataclass

# The planner that also acts with improved policies.
ARGMAX = ("planner=lookahead", "planner.rollout=argmax")
_DISCRETE = (
    ARGMAX,
    ("planner=lookahead", "planner.rollout=sample"),
    # The tree beside a look-ahead of as many evaluations (31).
    (*ARGMAX, "planner.depth=3", "planner.width=12"),
    ("planner=gumbel", "planner.rollout=argmax", "planner.num_simulations=31"),
)


@dataclass(frozen=True)
class PlannedTask:
    """A task on which planners act from the checkpoint of the main job.

    Attributes:
        env: Gymnasium id.
        target: return that policy or planner should reach, if there is one.
        planners: options of the planners.
        options: of the main job.
        improve: options of the improvement in imagination; empty leaves it out.

    """

    env: str
    target: float | None
    planners: tuple[tuple[str, ...], ...] = _DISCRETE
    options: tuple[str, ...] = ()
    improve: tuple[str, ...] = ()


PLANNED: dict[str, PlannedTask] = {
    "FourRooms": PlannedTask(
        "MiniGrid-FourRooms", 0.65, options=("trainer.steps=1600",), improve=("improve.kl_weight=1.0",)
    ),
    "DoorKey": PlannedTask("MiniGrid-DoorKey-5x5", 0.9),
    "CartPole": PlannedTask("CartPole-v1", 475.0),
    # The job itself plans on Pendulum by default.
    "Pendulum": PlannedTask("Pendulum-v1", -200.0, (("planner=mppi",),), ("planner=none",)),
}


@dataclass(frozen=True)
class ImprovedTask:
    """An environment and the mixture of data to collect.

    Attributes:
        env: Gymnasium id.
        options: of both runs, the cloned one and the weighted one.
        weighted: options of the second run only; None leaves cloning out and runs the main job alone.

    """

    env: str
    options: tuple[str, ...]
    weighted: tuple[str, ...] | None = ("deterministic=true",)


_GRID = ("trainer.steps=600", "trainer.batch_size=16")

IMPROVED: dict[str, ImprovedTask] = {
    "mixed-MultiRoom-N2-S4": ImprovedTask("MiniGrid-MultiRoom-N2-S4", ("collect.steps=60000", *_GRID)),
    "mixed-DoorKey-5x5": ImprovedTask("MiniGrid-DoorKey-5x5", ("collect.steps=100000", *_GRID)),
    "mixed-CartPole": ImprovedTask("CartPole-v1", ("collect.steps=60000",)),
    "mixed-FourRooms": ImprovedTask(
        "MiniGrid-FourRooms",
        ("collect.steps=200000", "objective.horizon=12", *_GRID),
        # The expert's episodes are short, one step in fifty: too few to be learned unless they are shown more often.
        (
            "trainer.top_return_fraction=0.5",
            "objective.policy_baseline=mean",
            "objective.policy_temperature=0.05",
            "deterministic=false",
        ),
    ),
    "MultiRoom-N4-S5": ImprovedTask("MiniGrid-MultiRoom-N4-S5", ("trainer.steps=800",), None),
}

RIVALS = ("rival-random", "rival-PPO", "rival-DQN", "rival-d3rlpy")
