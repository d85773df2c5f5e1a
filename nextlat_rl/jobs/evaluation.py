"""Scoring agents on fresh seeds."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Literal

import numpy as np
from rich.console import Console

from nextlat_rl.agents.agent import Agent
from nextlat_rl.agents.calibration import calibrate
from nextlat_rl.agents.episodes import EpisodeResult, Timing, evaluation_seeds, run_episodes
from nextlat_rl.agents.planning.config import PlannerConfig
from nextlat_rl.agents.planning.planner import make_planner
from nextlat_rl.agents.speculative import SpeculativeAgent
from nextlat_rl.console import bar, make_console
from nextlat_rl.drafting.length import DraftLength, FixedLength
from nextlat_rl.envs import make_env, saved_env_id, set_timeout
from nextlat_rl.jobs.commands import CheckpointCommand
from nextlat_rl.results import provenance
from nextlat_rl.seeds import EVALUATION_SEED
from nextlat_rl.statistics import bootstrap_interval
from nextlat_rl.world_model import WorldModel

AnyAgent = Agent | SpeculativeAgent

_CALIBRATION_ENVS = 20

COLUMNS = ["agent", "return", "95% interval", "success", "episode length", "ms/decision"]


@dataclass
class ActingConfig:
    """How a trained model acts.

    Attributes:
        acting: `trunk` (exact beliefs) or `recurrent` (the latent dynamics alone).
        planner: looks ahead from the beliefs; `none` follows the policy.
        deterministic: most likely actions instead of drawn ones.
        seed: of the action noise.
        draft: decides this many steps ahead (speculative acting); None decides at every step.
        tolerance: with `draft`: how far reality may stray from it; None for not at all.
    """

    acting: Literal["trunk", "recurrent"] = "trunk"
    planner: PlannerConfig = field(default_factory=PlannerConfig)
    deterministic: bool = False
    seed: int = 0
    draft: DraftLength | None = None
    tolerance: float | None = None

    @property
    def label(self) -> str:
        """What tables call it."""
        label = self.acting if self.planner.name == "none" else f"{self.acting} + {self.planner.name}"
        if self.draft is not None:
            label += ", lossless" if self.tolerance is None else ", tolerant"
        return label


def make_agent(world_model: WorldModel, batch_size: int, config: ActingConfig) -> AnyAgent:
    """An agent for `batch_size` environments side by side.

    Raises:
        UserError: the planner does not fit the action space.
    """
    deterministic, seed = config.deterministic, config.seed
    planner = make_planner(world_model, config.planner, deterministic=deterministic, seed=seed)
    if config.draft is None:
        return Agent(world_model, batch_size, config.acting, deterministic, seed, planner)
    return SpeculativeAgent(world_model, batch_size, config.draft, deterministic, seed, planner, config.tolerance)


def score(
    world_model: WorldModel,
    env_id: str,
    config: ActingConfig,
    *,
    episodes: int,
    console: Console,
    n_envs: int = 64,
    first_seed: int = EVALUATION_SEED,
    record: int = 0,
) -> tuple[dict[str, Any], list[EpisodeResult]]:
    """Play the episodes from `first_seed` on; the result row and the episodes, `record` of them with their frames."""
    n_envs = min(n_envs, episodes)
    agent = make_agent(world_model, n_envs, config)
    row, results = play(agent, env_id, n_envs, config.label, config.seed, episodes, first_seed, console, record)
    row["deterministic"] = config.deterministic
    if isinstance(agent, Agent):
        steps = max(sum(result.length for result in results), 1)
        row["planner_calls_per_step"] = float(config.planner.name != "none")
        row["trunk_calls_per_step"] = 1.0 if config.acting == "trunk" else episodes / steps
    else:
        row |= agent.summary(config.planner.name != "none")
    return row, results


def play(
    agent: AnyAgent,
    env_id: str,
    n_envs: int,
    label: str,
    seed: int,
    episodes: int,
    first_seed: int,
    console: Console,
    record: int = 0,
) -> tuple[dict[str, Any], list[EpisodeResult]]:
    """Let an agent of `n_envs` rows play, with a progress bar; the result row and the episodes."""
    started = time.monotonic()
    total, done = 0.0, count(1)
    with bar(console, f"Evaluating ({label})", episodes, "episodes") as shown:

        def on_episode(result: EpisodeResult) -> None:
            nonlocal total
            total += result.episode_return
            finished = next(done)
            shown.update(finished, f"return {total / finished:.3g}")

        results, timing = run_episodes(
            env_id, agent, evaluation_seeds(episodes, first_seed), n_envs, on_episode, record
        )
    row = summary(results, timing) | {
        "env": env_id,
        "agent": f"policy ({label})",
        "n_envs": n_envs,
        "wall_seconds": time.monotonic() - started,
    }
    return row | provenance(seed=seed, device=str(agent.world_model.device)).as_dict(), results


def evaluate_agent(
    agent: AnyAgent,
    episodes: int = 500,
    *,
    env: str | None = None,
    first_seed: int = EVALUATION_SEED,
    quiet: bool = False,
) -> dict[str, Any]:
    """Play fresh episodes and return the result row.

    Args:
        agent: of any batch size; as many environments are stepped side by side.
        episodes: how many.
        env: the environment; by default the one that the world model was trained for, whose module, if it has one of
            its own, must have been imported.
        first_seed: seed of the first episode, episode i has `first_seed + i`. No data is gathered from 10,000,000 on.
        quiet: no progress bar.

    Returns:
        `return_mean`, `return_ci_low`, `return_ci_high` (95% bootstrap interval over episodes), `episode_length_mean`,
        `success_rate` where the environment tells it, `ms_per_decision` and more; the row that the commands print.

    Raises:
        UserError: the environment's spaces are not the model's.
    """
    env_id = saved_env_id(agent.world_model.env_id, env or "")
    check_env(agent.world_model, env_id)
    n_envs = len(agent.last_action)
    console = make_console(quiet=False, silent=quiet)
    return play(agent, env_id, n_envs, "agent", 0, episodes, first_seed, console)[0]


def load_world_model(config: CheckpointCommand) -> WorldModel:
    """The world model of a command's checkpoint, for the environment that was typed or else for its own.

    Raises:
        UserError: no checkpoint, or a broken one; see `saved_env_id`; the environment's spaces are not the model's.
    """
    set_timeout(config.env.timeout)
    world_model = WorldModel.load(config.checkpoint, config.device)
    world_model.env_id = saved_env_id(world_model.env_id, config.env.id, config.env.kwargs)
    check_env(world_model, world_model.env_id)
    return world_model


def check_env(world_model: WorldModel, env_id: str) -> None:
    """Require the environment's spaces to be the model's.

    Raises:
        UserError: they are not.
    """
    env = make_env(env_id)
    world_model.check_spaces(env.observation_space, env.action_space)
    env.close()


def calibrated_tolerances(
    world_model: WorldModel,
    config: ActingConfig,
    longest: int,
    risks: Sequence[float],
    console: Console,
    episodes: int = 100,
) -> list[float]:
    """The tolerance of tolerant acting for each risk, from fresh `episodes` of the agent's own a try.

    Args:
        world_model: the trained model.
        config: how it acts; `draft` and `tolerance` are not read.
        longest: steps drafted.
        risks: shares of decisions made ahead that may differ, ascending.
        console: shows the progress.
        episodes: of each try.
    """
    every_step = ActingConfig(planner=config.planner, deterministic=config.deterministic, seed=config.seed)
    ahead = ActingConfig(
        planner=config.planner,
        deterministic=config.deterministic,
        seed=config.seed,
        draft=FixedLength(longest),
        tolerance=float("inf"),
    )
    exact, tolerant = (make_agent(world_model, _CALIBRATION_ENVS, chosen) for chosen in (every_step, ahead))
    assert isinstance(exact, Agent) and isinstance(tolerant, SpeculativeAgent)
    with bar(console, "Calibrating", None, "episodes") as shown:
        done = count(1)
        tolerances = calibrate(exact, tolerant, risks, episodes, on_episode=lambda result: shown.update(next(done)))
    for risk, tolerance in zip(risks, tolerances, strict=True):
        found = f"Tolerance {tolerance:.3g} for" if tolerance >= 0 else "No tolerance found that keeps"
        after = "" if tolerance >= 0 else ": every step will be decided anew; a higher risk= may find one"
        console.print(f"{found} a risk of {risk:g} per decision made ahead{after}", highlight=False)
    return tolerances


def summary(results: list[EpisodeResult], timing: Timing) -> dict[str, Any]:
    """Means with 95% bootstrap intervals over the episodes."""
    measured: dict[str, list[float]] = {
        "return": [result.episode_return for result in results],
        "episode_length": [float(result.length) for result in results],
        "success": [float(result.success) for result in results if result.success is not None],
    }
    row: dict[str, Any] = {"episodes": len(results), "ms_per_decision": timing.ms_per_decision}
    for name, values in measured.items():
        if values:
            low, high = bootstrap_interval(values)
            mean = "success_rate" if name == "success" else f"{name}_mean"
            row |= {mean: float(np.mean(values)), f"{name}_ci_low": low, f"{name}_ci_high": high}
    return row


def eval_tags(row: dict[str, Any]) -> dict[str, float]:
    """The row under Stable-Baselines3's TensorBoard tags."""
    tags = {"eval/mean_reward": row["return_mean"], "eval/mean_ep_length": row["episode_length_mean"]}
    return tags | ({"eval/success_rate": row["success_rate"]} if "success_rate" in row else {})


def cells(row: dict[str, Any]) -> list[str]:
    """The row as table cells under `COLUMNS`."""
    success = "" if "success_rate" not in row else f"{row['success_rate']:.3f}"
    if "success_ci_low" in row:
        success += f" [{row['success_ci_low']:.2f}, {row['success_ci_high']:.2f}]"
    length = f"{row['episode_length_mean']:.1f}"
    if "episode_length_ci_low" in row:
        length += f" [{row['episode_length_ci_low']:.1f}, {row['episode_length_ci_high']:.1f}]"
    return [
        row["agent"],
        f"{row['return_mean']:.3f}",
        f"[{row['return_ci_low']:.3f}, {row['return_ci_high']:.3f}]",
        success,
        length,
        f"{row['ms_per_decision']:.3f}" if "ms_per_decision" in row else "",
    ]
