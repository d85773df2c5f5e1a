"""The parts of `suite=worlds`: environments of the main job, whose data and budget all world models share."""

from __future__ import annotations

TASKS: dict[str, str] = {
    "FourRooms": "MiniGrid-FourRooms",
    "DoorKey": "MiniGrid-DoorKey-5x5",
    "GoToRedBall": "BabyAI-GoToRedBallNoDists",
    "CartPole": "CartPole-v1",
    "Acrobot": "Acrobot-v1",
    "LunarLander": "LunarLander-v3",
    "Pendulum": "Pendulum-v1",
    "MountainCarContinuous": "MountainCarContinuous-v0",
}

MODELS = ("ours", "trunk", "cells", "dreamer")
"""What `models=` may name: ours by its latent dynamics and by its trunk, the per-cell transformer, DreamerV3's."""

# All models clone the data's behaviour and draw their actions, so that the policies are of the same kind.
OPTIONS = ("planner=none", "objective.policy_temperature=0", "deterministic=false")
QUICK = ("trainer=smoke",)
