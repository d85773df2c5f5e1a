"""Gathers episodes with a behaviour; the episodes do not depend on the number of workers."""

import itertools
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import gymnasium as gym

from nextlat_rl.envs.episode import Episode, check_seed, roll_out
from nextlat_rl.envs.factory import make_env
from nextlat_rl.envs.mixture import MixedBehaviour, parse_mixture
from nextlat_rl.envs.registry import resolve_env_id
from nextlat_rl.errors import UserError
from nextlat_rl.notices import notice

RECENT = 100  # episodes in the mean return reported as progress

Progress = Callable[[int, int, float], None]


def collect_episodes(
    env_id: str,
    behaviour: str,
    *,
    steps: int | None = None,
    episodes: int | None = None,
    seed: int = 0,
    epsilon: float = 0.0,
    workers: int = 1,
    sb3: dict[str, Any] | None = None,
    on_progress: Progress | None = None,
) -> Iterator[Episode]:
    """Yield episodes in order; episode i resets the environment with `seed` + i.

    Args:
        env_id: environment name, version optional.
        behaviour: name or mixture, see `nextlat_rl.envs.mixture`; "sb3" trains a policy and yields all of its training.
        steps: stop after the first episode that brings the transitions to this many ("sb3": exactly this many).
        episodes: stop after this many; with both limits the first one reached counts.
        seed: of the first episode.
        epsilon: per-step probability of a uniformly random action instead of the behaviour's.
        workers: processes; the episodes do not depend on it. "sb3" trains in this process.
        sb3: algorithm settings for "sb3", see `nextlat_rl.envs.sb3.training`.
        on_progress: called after each episode with transitions so far, episodes so far and the mean return of the last
            100 episodes.

    Raises:
        UserError: bad arguments, unknown names, a behaviour that does not fit the environment, or seeds that reach
            those reserved for evaluation.
    """
    env_id = resolve_env_id(env_id)
    _check(behaviour, steps, episodes, seed, epsilon, workers)
    if behaviour == "sb3":
        from nextlat_rl.envs.sb3.training import training_episodes  # loads SB3

        assert steps is not None
        source = training_episodes(env_id, steps=steps, seed=seed, settings=sb3 or {})
        return _report(source, on_progress)
    if workers > 1:
        from nextlat_rl.envs.workers import parallel_episodes

        source = parallel_episodes(env_id, behaviour, epsilon, seed, episodes, workers)
    else:
        source = _sequential_episodes(env_id, behaviour, epsilon, seed, episodes)
    return _report(_limit(source, steps, episodes), on_progress)


def default_behaviour(env_id: str) -> str:
    """The behaviour to gather data with.

    "explorer" for MiniGrid levels with a goal and nothing that moves by itself, "expert" for BabyAI and the paper's
    tasks, else "sb3"; "random", with a notice, where "sb3" cannot handle the spaces.
    """
    env_id = resolve_env_id(env_id)
    if env_id.startswith(("BabyAI-", "NextLat/")):
        return "expert"
    from nextlat_rl.envs.sb3.training import check_trainable  # loads SB3

    env = make_env(env_id)
    try:
        if env_id.startswith("MiniGrid-") and _has_static_goal(env):
            return "explorer"
        check_trainable(env)
    except UserError as error:
        notice(f"gathering with behaviour 'random': {error}")
        return "random"
    finally:
        env.close()
    return "sb3"


def _check(behaviour: str, steps: int | None, episodes: int | None, seed: int, epsilon: float, workers: int) -> None:
    if steps is None and episodes is None:
        raise UserError("say how much to collect: steps or episodes")
    if behaviour == "sb3" and (steps is None or episodes is not None):
        raise UserError("behaviour 'sb3' trains for a number of steps: set steps, not episodes")
    if behaviour == "sb3" and epsilon:
        raise UserError("behaviour 'sb3' explores by itself while it trains: set epsilon to 0")
    for name, value in (("steps", steps), ("episodes", episodes), ("workers", workers)):
        if value is not None and value < 1:
            raise UserError(f"{name} must be at least 1, got {value}")
    if not 0 <= epsilon <= 1:
        raise UserError(f"epsilon is a probability, got {epsilon}")
    if seed < 0:
        raise UserError(f"seed must not be negative, got {seed}")
    check_seed(seed + (episodes or 1) - 1)
    parse_mixture(behaviour)


def _sequential_episodes(
    env_id: str, behaviour: str, epsilon: float, seed: int, episodes: int | None
) -> Iterator[Episode]:
    env, mixture = make_env(env_id), MixedBehaviour(parse_mixture(behaviour), env_id, epsilon)
    try:
        for i in itertools.count() if episodes is None else range(episodes):
            check_seed(seed + i)
            yield roll_out(env, mixture, seed + i)
    finally:
        env.close()


def _limit(source: Iterator[Episode], steps: int | None, episodes: int | None) -> Iterator[Episode]:
    taken = 0
    for episode in itertools.islice(source, episodes):
        yield episode
        taken += len(episode)
        if steps is not None and taken >= steps:
            return


def _report(source: Iterator[Episode], on_progress: Progress | None) -> Iterator[Episode]:
    steps, returns = 0, deque[float](maxlen=RECENT)
    for count, episode in enumerate(source, start=1):
        steps += len(episode)
        returns.append(sum(episode.rewards))
        if on_progress is not None:
            on_progress(steps, count, sum(returns) / len(returns))
        yield episode


def _has_static_goal(env: gym.Env) -> bool:
    env.reset(seed=0)
    level: Any = env.unwrapped
    if hasattr(level, "obstacles"):  # moving balls, which the explorer's map cannot represent
        return False
    return any(cell is not None and cell.type == "goal" for cell in level.grid.grid)
