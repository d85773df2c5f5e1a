"""A look ahead at the main job: whether it can work, what it would choose, how long it takes and what it needs."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import gymnasium as gym
import numpy as np
import torch

from nextlat_rl.agents.agent import Agent
from nextlat_rl.agents.episodes import draws
from nextlat_rl.agents.planning.planner import check_space
from nextlat_rl.data.episode import Episode
from nextlat_rl.data.minari_io import dataset_root, exists
from nextlat_rl.data.store import Store, store_of_episodes
from nextlat_rl.envs import make_env, resolve_env_id, set_timeout, time_limit
from nextlat_rl.envs.behaviours.random import RandomBehaviour
from nextlat_rl.envs.episode import record, snapshot
from nextlat_rl.envs.guard import LONGEST
from nextlat_rl.errors import UserError
from nextlat_rl.jobs.collection import behaviour_of, default_dataset_id
from nextlat_rl.jobs.config import TrainConfig
from nextlat_rl.jobs.suitability import check_environment, check_folders
from nextlat_rl.runtime import pick_device, set_threads
from nextlat_rl.spaces import codec_class, leaves
from nextlat_rl.training.build import MAX_WINDOW, build_model, make_trainer
from nextlat_rl.training.trainer import total_steps
from nextlat_rl.world_model import WorldModel

_PLAYED, _SECONDS = 400, 2.0  # steps and seconds of random play at most
_TIMED = 3
_ENVS = 64


@dataclass(frozen=True)
class Finding:
    """One line of the table: what was looked at, what the job would do, and why."""

    what: str
    found: str
    why: str


def examine(config: TrainConfig, findings: list[Finding]) -> None:
    """Look at everything that the main job with these settings needs, in seconds; nothing is kept.

    Args:
        config: as the main job takes it.
        findings: gets the lines, those found before an error too.

    Raises:
        UserError: the job cannot work.
    """
    set_threads(config.trainer.threads)
    set_timeout(config.env.timeout)
    device = pick_device(config.device)
    env_id = resolve_env_id(config.env.id, config.env.kwargs)
    env = make_env(env_id)
    limit = time_limit(env)
    why = "its own" if limit else "it has none; env.kwargs.max_episode_steps=<steps> sets one"
    findings.append(Finding("time limit", f"{limit or LONGEST:,} steps", why))
    check_environment(env, config.collect.seed)
    findings += _spaces(env)
    check_space(config.planner.name, env.action_space)
    check_folders(config.runs)
    findings.append(_picture(env_id))
    episodes, step_seconds = _play(env, config.collect.seed)
    env.close()
    findings.append(Finding("environment", f"{1000 * step_seconds:.2f} ms a step", "random play"))
    store = store_of_episodes(env.observation_space, env.action_space, episodes)
    findings += _gathering(config, env_id, store, step_seconds)
    # Random episodes may be shorter than those to come, so windows are as long as they can get.
    length = config.trainer.length or min(limit or LONGEST, MAX_WINDOW)
    findings += _training(config, store, device, env_id, step_seconds, length)


def _spaces(env: gym.Env) -> Iterator[Finding]:
    for role, spaces in (("observation", leaves(env.observation_space)), ("action", {"action": env.action_space})):
        for name, space in spaces.items():
            codec = codec_class(space, role)  # type: ignore[arg-type]
            dtype, shape = codec.storage(space)
            size = f"{dtype.itemsize * int(np.prod(shape)):,} bytes a step"
            what = name if role == name else f"{role} '{name}'"
            yield Finding(what, f"{codec.__name__}, {size}", " ".join(str(space).split())[:60])


def _picture(env_id: str) -> Finding:
    """Whether an episode can be filmed; without that the job works, too."""
    if not draws(make_env(env_id)):
        return Finding("film", "none", "the environment draws no RGB images")
    os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
    try:
        drawing = make_env(env_id, render_mode="rgb_array")
        drawing.reset(seed=0)
        shape = np.asarray(drawing.render()).shape
        drawing.close()
    except Exception as error:  # drawing raises anything
        return Finding("film", "none", " ".join(str(error).split())[:80])
    return Finding("film", "one episode", f"images {shape}")


def _play(env: gym.Env, seed: int) -> tuple[list[Episode], float]:
    """Some random episodes, the last one cut, and seconds a step."""
    behaviour, episodes, steps = RandomBehaviour(), list[Episode](), 0
    started = time.perf_counter()
    while steps < _PLAYED and (not steps or time.perf_counter() - started < _SECONDS):
        observation, _ = env.reset(seed=seed + len(episodes))
        behaviour.reset(env, seed + len(episodes))
        episode, over = Episode(seed, "random", [snapshot(observation)]), False
        while not over and steps < _PLAYED:
            action = behaviour.act(observation)
            observation, reward, terminated, truncated, _ = env.step(action)
            over, steps = terminated or truncated, steps + 1
            record(episode, action, observation, reward, terminated, truncated or (steps == _PLAYED and not terminated))
        episodes.append(episode)
    return episodes, (time.perf_counter() - started) / steps


def _gathering(config: TrainConfig, env_id: str, store: Store, step_seconds: float) -> Iterator[Finding]:
    if config.data != "auto":
        yield Finding("data", config.data, "as typed")
        return
    behaviour = behaviour_of(env_id, config.collect)
    chosen = "the environment's default" if config.collect.behaviour == "auto" else "as set"
    yield Finding("behaviour", behaviour, chosen)
    steps = config.collect.steps
    if config.collect.episodes:
        steps = round(config.collect.episodes * store.summary["episode_length_mean"])
    if exists(default_dataset_id(env_id, replace(config.collect, behaviour=behaviour))):
        yield Finding("data", "there already", f"{steps:,} steps")
        return
    row = sum(leaf[0].nbytes for leaf in store.observation.values()) + store.action[0].nbytes + 6
    needed, free = 2 * steps * row, shutil.disk_usage(dataset_root()).free
    if needed > free:
        raise UserError(
            f"{steps:,} steps need about {needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free in {dataset_root()}: "
            "gather fewer with collect.steps=, or set MINARI_DATASETS_PATH and NEXTLAT_CACHE"
        )
    workers = 1 if behaviour == "sb3" else config.collect.workers or min(os.cpu_count() or 1, 8)
    least = f"at least {_minutes(steps * step_seconds / workers)}"
    why = f"the environment's time in {workers} process{'es' * (workers > 1)}; the behaviour's own comes on top"
    yield Finding("data", f"{steps:,} steps, {least}", why)
    yield Finding("disk", f"{needed / 1e6:,.0f} MB", f"data set and store; {free / 1e9:,.0f} GB are free")


def _training(
    config: TrainConfig, store: Store, device: torch.device, env_id: str, step_seconds: float, length: int
) -> Iterator[Finding]:
    model = build_model(config.model, config.objective, store, length).to(device)
    windows = f"{config.trainer.batch_size} windows of {length} steps"
    yield Finding("model", f"{sum(p.numel() for p in model.parameters()):,} weights", f"on {device}; {windows}")
    trainer = make_trainer(
        model, store, np.arange(store.num_episodes), config.objective, config.trainer, length, config.seed
    )
    with _memory_explained(windows):
        trainer.train_step()
        seconds = _timed(lambda: trainer.train_step())
    steps = total_steps(config.trainer, config.objective.name)
    yield Finding("training", f"up to {_minutes(steps * seconds)}", f"{steps:,} steps, {seconds:.2f} s each at first")
    yield Finding("memory", f"{_resident() / 2**20:,.0f} MB", "of this process, after steps of training")
    world_model = WorldModel(model, env_id, config.objective.discount, config.objective.name)
    n_envs = min(_ENVS, config.trainer.eval_episodes)
    agent = Agent(world_model, n_envs, "trunk", config.deterministic, config.seed)
    first = world_model.decode_observations({name: leaf[:1] for name, leaf in _tensors(store).items()}) * n_envs
    acting = [first, [0.0] * n_envs, [True] * n_envs, list(range(n_envs))]
    for _ in range(4):  # the fourth call traces
        agent.act(*acting)
    decision = _timed(lambda: agent.act(*acting)) / n_envs
    mean = store.summary["episode_length_mean"]
    total = config.trainer.eval_episodes * mean * (decision + step_seconds)
    why = (
        f"{config.trainer.eval_episodes} episodes of {mean:.0f} steps, as random play's; good policies may last longer"
    )
    yield Finding("evaluation", f"{_minutes(total)} for each way of acting", why)


def _tensors(store: Store) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(np.asarray(leaf)) for name, leaf in store.observation.items()}


def _timed(function: Callable[[], object]) -> float:
    """Seconds a call."""
    started = time.perf_counter()
    for _ in range(_TIMED):
        function()
    return (time.perf_counter() - started) / _TIMED


@contextmanager
def _memory_explained(windows: str) -> Iterator[None]:
    try:
        yield
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise UserError(f"a batch of {windows} does not fit into memory: lower trainer.batch_size") from error


def _resident() -> int:
    """Bytes of memory that this process holds, 0 where the system does not say."""
    file = Path("/proc/self/statm")
    return int(file.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") if file.exists() else 0


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
