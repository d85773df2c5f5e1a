"""Real steps against return: the same settings and budgets with a world model and without."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any

import numpy as np
import stable_baselines3
from rich.console import Console
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv, VecMonitor

from benchmarks.jobs import TrainJob, tell, train
from benchmarks.options import Options
from benchmarks.rivals.progress import Progress
from benchmarks.rows import Row, make_row
from benchmarks.suites.sb3.contestants import CURVES, Contestant, Curve
from nextlat_rl import BeliefPolicy, ImaginedReplay, UserError, WorldModel, make_belief_env, make_env, zoo_settings
from nextlat_rl.agents.sb3.zoo import ZooSettings
from nextlat_rl.console import bar
from nextlat_rl.envs.sb3.features import FeatureWrapper
from nextlat_rl.results import provenance
from nextlat_rl.runtime import set_threads
from nextlat_rl.seeds import EVALUATION_SEED
from nextlat_rl.statistics import bootstrap_interval

_WINDOW = 100  # training episodes that a point of an on-policy agent's curve averages
_SHORT = 10  # episodes of an off-policy agent's point
_EPISODES = 200  # of the final evaluation


def rows(part: str, seed: int, options: Options, console: Console) -> Iterator[Row]:
    """The rows of the main job, for the world model, then one for each agent as soon as it is trained."""
    task = CURVES[part]
    if any(contestant.algorithm == "RecurrentPPO" for contestant in task.contestants) and not find_spec("sb3_contrib"):
        raise UserError(f"only={part} compares with RecurrentPPO: pip install sb3-contrib")
    settings = task.options if options.quick else (*task.options, "trainer.eval_episodes=50")
    trained = train(TrainJob("sb3", part, task.env, seed, settings), options, console)
    yield from trained
    world_model = WorldModel.load(trained[0].figure("run"), "cpu")
    data_steps = next(row.env_steps for row in trained if row.env_steps is not None)
    set_threads(1)  # the networks are tiny: more threads only wait for each other
    for contestant in task.contestants:
        values = _learned(task, contestant, seed, world_model, options.quick, console)
        values["data_steps"] = data_steps if contestant.beliefs else 0
        row = make_row("sb3", part, contestant.name, provenance(seed=seed, device="cpu", cores=1), values)
        tell(row, console)
        yield row


def _learned(
    task: Curve, contestant: Contestant, seed: int, world_model: WorldModel, quick: bool, console: Console
) -> dict[str, Any]:
    """Train one agent; its curve and its final score."""
    steps, every, episodes = (300, 100, 8) if quick else (task.steps, task.every, _EPISODES)
    on_policy = contestant.algorithm.endswith("PPO")
    first = seed * 1_000_000 + 500_000  # neither the data's episodes nor the evaluation's
    agent = _agent(task, contestant, seed, world_model, first)
    measure = _training_return if on_policy else _short_evaluation(task.env, contestant, world_model, first + 100_000)
    points = Points(every, measure)
    replay = None
    if contestant.imagined:
        replay = ImaginedReplay(world_model, contestant.imagined, rollout=contestant.rollout, seed=seed)
    callbacks: list[BaseCallback] = [points, replay] if replay else [points]
    started, cpu = time.monotonic(), time.process_time()
    with bar(console, contestant.name, steps, "steps") as shown:
        agent.learn(steps, callback=[*callbacks, Progress(shown.update)])
    seconds, cpu = time.monotonic() - started, time.process_time() - cpu
    fresh = _environment(task.env, contestant, world_model, 8, EVALUATION_SEED)
    # Where the same view is met again and again, a policy that always does the same may never get away.
    returns, _ = evaluate_policy(agent, fresh, episodes, deterministic=not on_policy, return_episode_rewards=True)
    low, high = bootstrap_interval(returns)  # type: ignore[arg-type]
    values = {"env": task.env, "measure": "curve", "target": task.levels[-1]}
    values |= {"return_mean": float(np.mean(returns)), "return_ci_low": low, "return_ci_high": high}
    values |= {"episodes": len(returns), "env_steps": int(agent.num_timesteps)}  # type: ignore[arg-type]
    values |= {"command_seconds": seconds, "cpu_seconds": cpu}
    values |= {"imagined_steps": replay.imagined if replay else 0, "curve": points.taken}
    values["measured"] = f"training, last {_WINDOW} episodes" if on_policy else f"evaluated, {_SHORT} episodes"
    return values | {"steps_to": {f"{level:g}": steps_to(points.taken, level) for level in task.levels}}


def _agent(task: Curve, contestant: Contestant, seed: int, world_model: WorldModel, first_seed: int) -> Any:
    """The untrained agent with its environments."""
    settings = contestant_settings(task, contestant)
    venv = _environment(task.env, contestant, world_model, settings.n_envs, first_seed)
    start = {"policy": BeliefPolicy, "policy_kwargs": {"world_model": world_model}} if contestant.heads else {}
    return _algorithm(contestant.algorithm)(env=venv, seed=seed, device="cpu", **settings.agent | start)


def contestant_settings(task: Curve, contestant: Contestant) -> ZooSettings:
    """The task's settings as this agent takes them: with a memory or more gradient steps, if it has these."""
    entry = task.entry | _memory(contestant.algorithm)
    if contestant.updates > 1:
        entry |= {"gradient_steps": contestant.updates * entry["gradient_steps"]}
    return zoo_settings(_algorithm(contestant.algorithm), entry)


def steps_to(points: list[tuple[int, float]], level: float) -> int | None:
    """Real steps at the first point of a curve that reaches `level`; None if none does."""
    return next((steps for steps, value in points if value >= level), None)


class Points(BaseCallback):
    """Takes a point `(real steps, return)` every so many steps, as soon as there is something to measure."""

    def __init__(self, every: int, measure: Callable[[Any], float | None]) -> None:
        super().__init__()
        self.taken: list[tuple[int, float]] = []
        self._every, self._measure, self._next = every, measure, every

    def _on_step(self) -> bool:
        if self.num_timesteps >= self._next:
            value = self._measure(self.model)
            if value is not None:
                self.taken.append((self._next, value))
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
