"""Learning curves: on which tasks, and which of SB3's agents with a world model and without are compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Contestant:
    """An agent: SB3's or sb3-contrib's algorithm, what it sees and begins as.

    Attributes:
        name: of the agent in the rows.
        algorithm: SB3's or sb3-contrib's class.
        beliefs: it sees beliefs instead of one-hot features of the current observation.
        heads: it begins as the world model's policy and value (`BeliefPolicy`).
        imagined: imagined transitions for each real one.
        rollout: how they are imagined, see `ImaginedReplay`.
        updates: gradient steps, times those of the task's entry.

    """

    name: str
    algorithm: str
    beliefs: bool = False
    heads: bool = False
    imagined: float = 0.0
    rollout: Literal["sample", "argmax"] = "sample"
    updates: int = 1


@dataclass(frozen=True)
class Curve:
    """An environment, the agents to compare in it, and what they get.

    Attributes:
        env: full id.
        steps: real steps of each agent.
        every: real steps between two points of a curve.
        levels: returns whose first crossing is reported, ascending; the last is the one to reach.
        entry: hyper-parameters as rl-baselines3-zoo writes them, the same for all agents.
        contestants: the first is the one without a world model, which the others are compared with.
        options: of `nextlat_rl.train`, for the world model.

    """

    env: str
    steps: int
    every: int
    levels: tuple[float, ...]
    entry: dict[str, Any]
    contestants: tuple[Contestant, ...]
    options: tuple[str, ...] = ()


# PPO for MiniGrid after rl-starter-files, by MiniGrid's authors, but in batches of 512: a recurrent policy takes a call
# for each step of a batch's longest sequence, and on one core smaller batches would make it wait for hours.
_MINIGRID = {
    "policy": "MlpPolicy",
    "n_envs": 16,
    "n_steps": 128,
    "batch_size": 512,
    "n_epochs": 4,
    "learning_rate": 1e-3,
    "ent_coef": 0.01,
}
_MEMORIES = (
    Contestant("PPO", "PPO"),
    Contestant("PPO on beliefs, from the model's policy", "PPO", beliefs=True, heads=True),
    Contestant("PPO on beliefs", "PPO", beliefs=True),
    Contestant("RecurrentPPO", "RecurrentPPO"),
)
# rl-baselines3-zoo's entries for these environments (hyperparams/dqn.yml and sac.yml; LunarLander's is of version 2).
_DQN_CARTPOLE = {
    "policy": "MlpPolicy",
    "learning_rate": 2.3e-3,
    "batch_size": 64,
    "buffer_size": 1e5,
    "learning_starts": 1000,
    "gamma": 0.99,
    "target_update_interval": 10,
    "train_freq": 256,
    "gradient_steps": 128,
    "exploration_fraction": 0.16,
    "exploration_final_eps": 0.04,
    "policy_kwargs": "dict(net_arch=[256, 256])",
}
_DQN_LUNARLANDER = {
    "policy": "MlpPolicy",
    "learning_rate": 6.3e-4,
    "batch_size": 128,
    "buffer_size": 5e4,
    "learning_starts": 0,
    "gamma": 0.99,
    "target_update_interval": 250,
    "train_freq": 4,
    "gradient_steps": -1,
    "exploration_fraction": 0.12,
    "exploration_final_eps": 0.1,
    "policy_kwargs": "dict(net_arch=[256, 256])",
}
_SAC_PENDULUM = {"policy": "MlpPolicy", "learning_rate": 1e-3, "gradient_steps": 1}
_DQNS = (
    Contestant("DQN", "DQN"),
    Contestant("DQN on beliefs", "DQN", beliefs=True),
    Contestant("DQN on beliefs, imagined replay", "DQN", beliefs=True, imagined=1.0),
)
# MBPO's recipe: as many gradient steps for each transition, real or imagined, as without a model. Whether it is the
# gradient steps alone is for the second and the fourth agent to show.
_SACS = (
    Contestant("SAC", "SAC"),
    Contestant("SAC, 5 gradient steps", "SAC", updates=5),
    Contestant("SAC on beliefs", "SAC", beliefs=True),
    Contestant("SAC on beliefs, 5 gradient steps", "SAC", beliefs=True, updates=5),
    Contestant("SAC on beliefs, imagined replay", "SAC", beliefs=True, imagined=4.0, rollout="argmax", updates=5),
)


# Not a mixture with random episodes: they are many times as long, so that few of them would be most of the steps.
_EXPLORED = ("collect.behaviour=explorer", "collect.epsilon=0.1", "collect.steps=50000")
_TRAINING = ("trainer.steps=800", "trainer.batch_size=16")
# Remembering is learned only where the data do it, and only once the latent losses come late (docs/sb3.md).
_REMEMBERED = (
    "collect.behaviour=expert",
    "collect.epsilon=0.1",
    "collect.steps=50000",
    "trainer.steps=2800",
    "trainer.batch_size=16",
    "trainer.learning_rate=0.003",
    "objective.latent_warmup=1",
)
CURVES = {
    "beliefs-FourRooms": Curve(
        "MiniGrid-FourRooms-v0", 200_000, 4096, (0.2, 0.4, 0.6), _MINIGRID, _MEMORIES, (*_EXPLORED, *_TRAINING)
    ),
    "beliefs-DoorKey": Curve(
        "MiniGrid-DoorKey-6x6-v0", 150_000, 4096, (0.3, 0.6, 0.9), _MINIGRID, _MEMORIES, (*_EXPLORED, *_TRAINING)
    ),
    "beliefs-Memory": Curve("MiniGrid-MemoryS7-v0", 150_000, 4096, (0.4, 0.6, 0.8), _MINIGRID, _MEMORIES, _REMEMBERED),
    "replay-CartPole": Curve(
        "CartPole-v1",
        50_000,
        2000,
        (195, 475, 500),
        _DQN_CARTPOLE,
        _DQNS,
        ("collect.steps=20000", "trainer.steps=500"),
    ),
    # Not of the expert: a controller that always lands shows the model none of the crashes an agent begins with.
    "replay-LunarLander": Curve(
        "LunarLander-v3", 100_000, 5000, (0, 100, 200), _DQN_LUNARLANDER, _DQNS, ("collect.behaviour=sb3",)
    ),
    "replay-Pendulum": Curve(
        "Pendulum-v1", 5000, 250, (-400, -200, -157), _SAC_PENDULUM, _SACS, ("planner=none", "trainer.steps=1200")
    ),
}
