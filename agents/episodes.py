"""Running an agent through whole episodes of real environments, side by side, one seed each."""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import gymnasium as gym
import numpy as np

from nextlat_rl.agents.agent import ActsInBatches
from nextlat_rl.data.episode import Episode
from nextlat_rl.envs import make_env
from nextlat_rl.envs.behaviour import env_name
from nextlat_rl.errors import UserError
from nextlat_rl.notices import costs_only
from nextlat_rl.seeds import EVALUATION_SEED

EARLY = 500  # steps: what real and imagined returns are compared over at most
MOST_FRAMES = 200  # of a recorded episode


@dataclass
class EpisodeResult:
    """How one episode went."""

    seed: int
    episode_return: float
    length: int
    success: bool | None  # None where the environment has no notion of it
    first_observation: Any
    early_return: float = 0.0  # over the first `EARLY` steps
    frames: list[np.ndarray] = field(default_factory=list)  # RGB, only of a recorded episode
    trajectory: Episode | None = None  # only where it was asked for


@dataclass
class Timing:
    """Wall time spent deciding, the environments' own time left out."""

    seconds: float = 0.0
    calls: int = 0
    decisions: int = 0

    @property
    def ms_per_decision(self) -> float:
        """Milliseconds per decision of one environment."""
        return 1000 * self.seconds / max(self.decisions, 1)


def evaluation_seeds(episodes: int, first: int = EVALUATION_SEED) -> list[int]:
    """The fixed seeds of an evaluation; data is never gathered on those from `EVALUATION_SEED` on."""
    return [first + i for i in range(episodes)]


def run_episodes(
    env_id: str,
    agent: ActsInBatches,
    seeds: Sequence[int],
    n_envs: int,
    on_episode: Callable[[EpisodeResult], None] = lambda result: None,
    record: int = 0,
    trajectory_steps: int | None = None,
) -> tuple[list[EpisodeResult], Timing]:
    """Play one episode for each seed, `n_envs` at a time; the results come in the order of the seeds.

    Gymnasium's vector environments cannot reset single environments to chosen seeds; without that an episode would
    depend on how many run in parallel.

    Args:
        env_id: the environment.
        agent: its batch size must be `n_envs`.
        seeds: of the episodes.
        n_envs: environments stepped side by side.
        on_episode: called with each finished episode.
        record: how many of the first episodes keep rendered frames, of their first steps.
        trajectory_steps: keep what happened in each episode, and cut it after so many steps; None does neither.

    Raises:
        UserError: an environment fails; environment, episode and step are named.
    """
    slots = [_Slot(_make(env_id, drawn=i < record), trajectory_steps) for i in range(n_envs)]
    try:
        return _play(slots, agent, seeds, on_episode, record)
    finally:
        for slot in slots:
            slot.env.close()


def _play(
    slots: "list[_Slot]",
    agent: ActsInBatches,
    seeds: Sequence[int],
    on_episode: Callable[[EpisodeResult], None],
    record: int,
) -> tuple[list[EpisodeResult], Timing]:
    """`run_episodes` in environments that stand ready."""
    queue = list(enumerate(seeds))[::-1]
    results: dict[int, EpisodeResult] = {}
    timing = Timing()
    for slot in slots:
        slot.take(queue, record)
    while any(slot.active for slot in slots):
        started = time.perf_counter()
        actions = agent.act(
            [slot.observation for slot in slots],
            [slot.reward for slot in slots],
            [slot.is_first for slot in slots],
            [slot.seed for slot in slots],
        )
        timing.seconds += time.perf_counter() - started
        timing.calls += 1
        timing.decisions += sum(slot.active for slot in slots)
        for slot, action in zip(slots, actions, strict=True):
            if slot.active and slot.step(action):
                results[slot.index] = slot.result()
                on_episode(results[slot.index])
                slot.take(queue, record)
    return [results[i] for i in range(len(seeds))], timing


def _make(env_id: str, drawn: bool) -> gym.Env:
    """The environment, rendering to arrays if it is to be `drawn` and knows how."""
    env = make_env(env_id)
    if not drawn or not draws(env):
        return env
    os.environ.setdefault("SDL_VIDEODRIVER", "dummy")  # classic control draws with SDL, which looks for a screen
    with costs_only(f"the film of '{env_id}'"):
        drawing = make_env(env_id, render_mode="rgb_array")
        env.close()
        return drawing
    return env


def draws(env: gym.Env) -> bool:
    """Whether the environment says that it can draw RGB images."""
    return "rgb_array" in env.metadata.get("render_modes", ())


class _Slot:
    """One environment and the episode it is in."""

    def __init__(self, env: gym.Env, trajectory_steps: int | None) -> None:
        self.env, self.trajectory_steps = env, trajectory_steps
        self.active = True
        self.trajectory: Episode | None = None

    def take(self, queue: list[tuple[int, int]], record: int) -> None:
        """Start the next episode; with none left, idle on the last observation."""
        if not queue:
            self.active = False
            self.is_first = True  # whoever follows the episode has nothing to follow any more
            if not hasattr(self, "observation"):  # more environments than episodes
                self.seed, self.reward, self.is_first = 0, 0.0, True
                self.observation, _ = self.env.reset(seed=0)
            return
        self.index, self.seed = queue.pop()
        self.observation, _ = self.env.reset(seed=self.seed)
        self.first_observation = self.observation
        self.reward, self.is_first = 0.0, True
        self.total, self.early, self.length = 0.0, 0.0, 0
        self.success: bool | None = None
        self.recording = self.index < record and self.env.render_mode == "rgb_array"
        self.frames: list[np.ndarray] = []
        self._film()
        if self.trajectory_steps is not None:
            self.trajectory = Episode(self.seed, observations=[self.observation])

    def step(self, action: Any) -> bool:
        """Take one action; whether the episode ended."""
        self.observation, reward, terminated, truncated, info = self.env.step(action)
        self.reward, self.is_first = float(reward), False
        self.total += self.reward
        self.length += 1
        self.early = self.total if self.length <= EARLY else self.early
        self._film()
        self.success = _success(self.env, info, self.total)
        if self.trajectory is None or self.trajectory_steps is None:
            return terminated or truncated
        truncated = truncated or (self.length >= self.trajectory_steps and not terminated)
        self.trajectory.observations.append(self.observation)
        self.trajectory.actions.append(action)
        self.trajectory.rewards.append(self.reward)
        self.trajectory.terminations.append(terminated)
        self.trajectory.truncations.append(truncated)
        return terminated or truncated

    def result(self) -> EpisodeResult:
        return EpisodeResult(
            self.seed,
            self.total,
            self.length,
            self.success,
            self.first_observation,
            self.early,
            self.frames,
            self.trajectory,
        )

    def _film(self) -> None:
        """Keep a frame; the first one that cannot be drawn ends the film, which then is left out."""
        if self.recording and len(self.frames) < MOST_FRAMES:
            drawn = False
            with costs_only(f"the film of '{env_name(self.env)}'"):
                self.frames.append(_frame(self.env))
                drawn = True
            if not drawn:
                self.recording, self.frames = False, []


def _frame(env: gym.Env) -> np.ndarray:
    """An RGB image `[H, W, 3]` uint8 of the environment."""
    frame = np.asarray(env.render())
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[-1] != 3:
        raise UserError(f"render gives {frame.dtype} of shape {frame.shape}, not an RGB image")
    return np.array(frame)  # some write over the frame they returned


def _success(env: gym.Env, info: dict[str, Any], total: float) -> bool | None:
    """The environment's own `is_success`; MiniGrid and BabyAI reward nothing but success."""
    if "is_success" in info:
        return bool(info["is_success"])
    spec = env.spec
    if spec is not None and spec.id.startswith(("MiniGrid-", "BabyAI-")):
        return total > 0
    return None
