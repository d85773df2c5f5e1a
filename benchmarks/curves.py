"""Real steps against return: SB3's agents with the world model and without, the same settings and budgets for all."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Literal

import numpy as np
import stable_baselines3
from rich.console import Console
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv, VecMonitor

from benchmarks.config import BenchmarkConfig
from benchmarks.main_job import run_task
from benchmarks.sb3 import Progress
from nextlat_rl.agents.sb3 import BeliefPolicy, ImaginedReplay, ZooSettings, make_belief_env, zoo_settings
from nextlat_rl.console import bar
from nextlat_rl.envs import make_env
from nextlat_rl.envs.sb3.features import FeatureWrapper
from nextlat_rl.errors import UserError
from nextlat_rl.results import git_revision
from nextlat_rl.runtime import set_threads
from nextlat_rl.seeds import EVALUATION_SEED
from nextlat_rl.statistics import bootstrap_interval
from nextlat_rl.world_model import WorldModel

_WINDOW = 100  # training episodes that a point of an on-policy agent's curve averages
_SHORT = 10  # episodes of an off-policy agent's point
_EPISODES = 200  # of the final evaluation


@dataclass(frozen=True)
class Contestant:
    """An agent: SB3's or sb3-contrib's algorithm, what it sees and begins as.

    Attributes:
        name: of the agent in the tables.
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
class CurveTask:
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
CURVE_TASKS = {
    "beliefs-FourRooms": CurveTask(
        "MiniGrid-FourRooms-v0", 200_000, 4096, (0.2, 0.4, 0.6), _MINIGRID, _MEMORIES, (*_EXPLORED, *_TRAINING)
    ),
    "beliefs-DoorKey": CurveTask(
        "MiniGrid-DoorKey-6x6-v0", 150_000, 4096, (0.3, 0.6, 0.9), _MINIGRID, _MEMORIES, (*_EXPLORED, *_TRAINING)
    ),
    "beliefs-Memory": CurveTask(
        "MiniGrid-MemoryS7-v0", 150_000, 4096, (0.4, 0.6, 0.8), _MINIGRID, _MEMORIES, _REMEMBERED
    ),
    "replay-CartPole": CurveTask(
        "CartPole-v1",
        50_000,
        2000,
        (195, 475, 500),
        _DQN_CARTPOLE,
        _DQNS,
        ("collect.steps=20000", "trainer.steps=500"),
    ),
    # Not of the expert: a controller that always lands shows the model none of the crashes an agent begins with.
    "replay-LunarLander": CurveTask(
        "LunarLander-v3", 100_000, 5000, (0, 100, 200), _DQN_LUNARLANDER, _DQNS, ("collect.behaviour=sb3",)
    ),
    "replay-Pendulum": CurveTask(
        "Pendulum-v1", 5000, 250, (-400, -200, -157), _SAC_PENDULUM, _SACS, ("planner=none", "trainer.steps=1200")
    ),
}


def curve_rows(name: str, seed: int, config: BenchmarkConfig, console: Console) -> Iterator[dict[str, Any]]:
    """The rows of the main job, for the world model, then one for each agent as soon as it is trained."""
    task = CURVE_TASKS[name]
    if any(contestant.algorithm == "RecurrentPPO" for contestant in task.contestants) and not find_spec("sb3_contrib"):
        raise UserError(f"only={name} compares with RecurrentPPO: pip install sb3-contrib")
    options = task.options if config.quick else (*task.options, "trainer.eval_episodes=50")
    rows = run_task(name, seed, config, console, task.env, options)
    yield from rows
    world_model = WorldModel.load(rows[0]["run"], "cpu")
    data_steps = next(row["env_steps"] for row in rows if "env_steps" in row)
    set_threads(1)  # the networks are tiny: more threads only wait for each other
    for contestant in task.contestants:
        row = _learn(task, contestant, seed, world_model, config.quick, console)
        console.print(
            f"  {row['agent']}: return {row['return_mean']:.3f} [{row['return_ci_low']:.3f}, "
            f"{row['return_ci_high']:.3f}] after {row['env_steps']:,} real steps and {row['cpu_seconds'] / 60:.1f} "
            f"core minutes; steps to {row['steps_to']}",
            highlight=False,
        )
        yield row | {"part": name, "seed": seed, "data_steps": data_steps if contestant.beliefs else 0}


def _learn(
    task: CurveTask, contestant: Contestant, seed: int, world_model: WorldModel, quick: bool, console: Console
) -> dict[str, Any]:
    """Train one agent; its row with its curve and its final score."""
    steps, every, episodes = (300, 100, 8) if quick else (task.steps, task.every, _EPISODES)
    settings = contestant_settings(task, contestant)
    first = seed * 1_000_000 + 500_000  # neither the data's episodes nor the evaluation's
    venv = _environment(task.env, contestant, world_model, settings.n_envs, first)
    start = {"policy": BeliefPolicy, "policy_kwargs": {"world_model": world_model}} if contestant.heads else {}
    agent = _algorithm(contestant.algorithm)(env=venv, seed=seed, device="cpu", **settings.agent | start)
    on_policy = contestant.algorithm.endswith("PPO")
    measure = _training_return if on_policy else _short_evaluation(task.env, contestant, world_model, first + 100_000)
    curve = Curve(every, measure)
    callbacks: list[BaseCallback] = [curve]
    replay = None
    if contestant.imagined:
        replay = ImaginedReplay(world_model, contestant.imagined, rollout=contestant.rollout, seed=seed)
    callbacks += [replay] if replay else []
    started, cpu = time.monotonic(), time.process_time()
    with bar(console, contestant.name, steps, "steps") as shown:
        agent.learn(steps, callback=[*callbacks, Progress(shown.update)])
    seconds, cpu = time.monotonic() - started, time.process_time() - cpu
    fresh = _environment(task.env, contestant, world_model, 8, EVALUATION_SEED)
    # Where the same view is met again and again, a policy that always does the same may never get away.
    returns, _ = evaluate_policy(agent, fresh, episodes, deterministic=not on_policy, return_episode_rewards=True)
    low, high = bootstrap_interval(returns)  # type: ignore[arg-type]
    row = {"env": task.env, "agent": contestant.name, "kind": "curve", "target": task.levels[-1], "cores": 1}
    row |= {"return_mean": float(np.mean(returns)), "return_ci_low": low, "return_ci_high": high}
    row |= {"episodes": len(returns), "env_steps": int(agent.num_timesteps)}  # type: ignore[arg-type]
    row |= {"command_seconds": seconds, "cpu_seconds": cpu, "git_revision": git_revision()}
    row |= {"imagined_steps": replay.imagined if replay else 0, "curve": curve.points}
    row["measured"] = f"training, last {_WINDOW} episodes" if on_policy else f"evaluated, {_SHORT} episodes"
    return row | {"steps_to": {f"{level:g}": steps_to(curve.points, level) for level in task.levels}}


def contestant_settings(task: CurveTask, contestant: Contestant) -> ZooSettings:
    """The task's settings as this agent takes them: with a memory or more gradient steps, if it has these."""
    entry = task.entry | _memory(contestant.algorithm)
    if contestant.updates > 1:
        entry |= {"gradient_steps": contestant.updates * entry["gradient_steps"]}
    return zoo_settings(_algorithm(contestant.algorithm), entry)


def steps_to(points: list[tuple[int, float]], level: float) -> int | None:
    """Real steps at the first point of a curve that reaches `level`; None if none does."""
    return next((steps for steps, value in points if value >= level), None)


class Curve(BaseCallback):
    """Takes a point `(real steps, return)` every so many steps, as soon as there is something to measure."""

    def __init__(self, every: int, measure: Callable[[Any], float | None]) -> None:
        super().__init__()
        self.points: list[tuple[int, float]] = []
        self._every, self._measure, self._next = every, measure, every

    def _on_step(self) -> bool:
        if self.num_timesteps >= self._next:
            value = self._measure(self.model)
            if value is not None:
                self.points.append((self._next, value))
            self._next += self._every
        return True


def _training_return(agent: Any) -> float | None:
    """Mean return of the last episodes, once there are enough of them."""
    recent = agent.ep_info_buffer
    return float(np.mean([info["r"] for info in recent])) if len(recent) >= _WINDOW else None


def _short_evaluation(
    env_id: str, contestant: Contestant, world_model: WorldModel, seed: int
) -> Callable[[Any], float]:
    """Mean return of the most likely actions from the same few starts every time."""
    venv = _environment(env_id, contestant, world_model, _SHORT, seed)

    def measure(agent: Any) -> float:
        venv.seed(seed)
        return float(evaluate_policy(agent, venv, _SHORT)[0])  # type: ignore[arg-type]

    return measure


def _environment(env_id: str, contestant: Contestant, world_model: WorldModel, n_envs: int, seed: int) -> VecEnv:
    """Beliefs, or features of the current observation, with a monitor."""
    if contestant.beliefs:
        return make_belief_env(world_model, n_envs, seed)
    venv = DummyVecEnv([lambda: FeatureWrapper(make_env(env_id))] * n_envs)
    venv.seed(seed)
    return VecMonitor(venv)


def _algorithm(name: str) -> Any:
    if name != "RecurrentPPO":
        return getattr(stable_baselines3, name)
    from sb3_contrib import RecurrentPPO

    return RecurrentPPO


def _memory(algorithm: str) -> dict[str, Any]:
    """What a recurrent policy has besides: one state for policy and value, as wide as a belief."""
    if algorithm != "RecurrentPPO":
        return {}
    network = {"lstm_hidden_size": 128, "shared_lstm": True, "enable_critic_lstm": False}
    return {"policy": "MlpLstmPolicy", "policy_kwargs": network}
