"""What planning adds to the policy of the main job, and what it costs.

Returns: each planner acting from the same checkpoint on the same evaluation seeds. Speed: imagined steps per second on
one core, beside mctx (jax) on a network of the same shape.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from benchmarks.main_job import data_in, run_task
from benchmarks.speed import interleave
from nextlat_rl.agents.planning.model import Prediction
from nextlat_rl.agents.planning.planners.lookahead import LookaheadConfig, lookahead
from nextlat_rl.config import BenchmarkConfig
from nextlat_rl.console import table
from nextlat_rl.errors import UserError
from nextlat_rl.tracing import Traced

_DISCRETE = [
    ["planner=lookahead", "planner.rollout=open_loop"],
    ["planner=lookahead", "planner.rollout=argmax"],
    ["planner=lookahead", "planner.rollout=sample"],
    # The tree beside a look-ahead of as many evaluations (31).
    ["planner=lookahead", "planner.rollout=argmax", "planner.depth=3", "planner.width=12"],
    ["planner=gumbel", "planner.rollout=argmax", "planner.num_simulations=31"],
]


@dataclass(frozen=True)
class PlannerTask:
    """More options of the main job, the planners that act from its checkpoint, and how its policy is improved, if."""

    planners: list[list[str]]
    options: tuple[str, ...] = ()
    improve: tuple[str, ...] = ()


PLANNER_TASKS: dict[str, PlannerTask] = {
    "FourRooms": PlannerTask(_DISCRETE, ("trainer.steps=1600",), ("improve.kl_weight=1.0",)),
    "DoorKey": PlannerTask(_DISCRETE),
    "CartPole": PlannerTask(_DISCRETE),
    "Pendulum": PlannerTask([["planner=mppi"]], ("planner=none",)),  # the job itself would plan
}

_LATENT, _HIDDEN, _ACTIONS = 128, 256, 7
# batch, depth and width of the look-ahead, simulations of mctx, and what is aimed for
_SETTINGS = [
    (1, 3, 12, 32, "under 2 ms a decision"),
    (1, 8, 64, 32, ""),
    (1, 8, 128, 32, "at least 5 times mctx's rate"),
    (1, 8, 256, 32, "at least 5 times mctx's rate"),
    (64, 8, 16, 32, "at least mctx's rate"),
]


class Network(nn.Module):
    """Latent 128, dynamics 256/256, linear policy, value and reward heads: the network of both planners."""

    actions, num_uniforms, value_range = _ACTIONS, 0, 1.0
    one_hot: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(_LATENT + _ACTIONS, _HIDDEN)
        self.second = nn.Linear(_HIDDEN, _HIDDEN)
        self.last = nn.Linear(_HIDDEN, _LATENT)
        self.heads = nn.Linear(_LATENT, _ACTIONS + 2)
        self.register_buffer("one_hot", torch.eye(_ACTIONS), persistent=False)

    def root(self, belief: Tensor) -> tuple[Tensor, Tensor]:
        """Policy logits and values."""
        out = self.heads(belief)
        return out[:, :_ACTIONS], out[:, _ACTIONS]

    def step(self, belief: Tensor, action: Tensor, noise: Tensor) -> Prediction:
        """One imagined step."""
        x = torch.cat((belief, self.one_hot[action]), dim=-1)
        belief = belief + self.last(self.second(self.first(x).relu()).relu())
        out = self.heads(belief)
        discount = torch.full_like(out[:, 0], 0.99)
        return Prediction(belief, out[:, -1], discount, out[:, :_ACTIONS], out[:, _ACTIONS])


def planner_rows(name: str, seed: int, config: BenchmarkConfig, console: Console) -> list[dict[str, Any]]:
    """The main job, then its checkpoint acting with each planner of the task, and its improved policy."""
    task = PLANNER_TASKS[name]
    with tempfile.TemporaryDirectory() as folder:
        rows = run_task(name, seed, config, console, options=task.options, data_folder=folder)
        with data_in(folder):
            return rows + _planned_rows(task, rows, config, console)


def _planned_rows(
    task: PlannerTask, trained: list[dict[str, Any]], config: BenchmarkConfig, console: Console
) -> list[dict[str, Any]]:
    """Rows of the checkpoint that `trained` came from."""
    rows, run = [], trained[0]["run"]
    episodes = "episodes=8" if config.quick else "episodes=500"
    same = [episodes, f"deterministic={trained[0]['deterministic']}", "json=true"]

    def keep(row: dict[str, Any], agent: str) -> None:
        row |= {key: trained[0][key] for key in ("part", "seed", "target", "command_seconds", "peak_memory_mb")}
        rows.append({"run": run} | row | {"agent": agent})
        console.print(
            f"  {agent}: return {row['return_mean']:.3f} [{row['return_ci_low']:.3f}, {row['return_ci_high']:.3f}], "
            f"{row['ms_per_decision']:.2f} ms a decision",
            highlight=False,
        )

    for options in task.planners:
        (row,) = _command("evaluate", f"checkpoint={run}", *same, *options)
        keep(row, _with_settings(row["agent"], options))
    if task.improve:
        quick = ["improve.steps=5", "improve.beliefs=2000"] if config.quick else []
        _, row = _command("improve", f"checkpoint={run}", *same, *task.improve, *quick)
        keep(row, "improved policy (trunk)")
        options = task.planners[1]  # look-ahead by the most likely observation, which lost least
        (planned,) = _command("evaluate", f"checkpoint={row['run']}", *same, *options)
        keep(planned | {"run": row["run"]}, f"improved {_with_settings(planned['agent'], options)}")
    return rows


def _command(name: str, *options: str) -> list[dict[str, Any]]:
    """The rows that one of our commands prints."""
    command = [sys.executable, "-m", f"nextlat_rl.{name}", *options]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise UserError(f"{' '.join(command[2:])} failed; see its message above")
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    return rows


def _with_settings(agent: str, options: list[str]) -> str:
    """`agent` and the planner's settings that are not its defaults."""
    return " ".join(
        [agent, *(option.removeprefix("planner.rollout=").removeprefix("planner.") for option in options[1:])]
    )


def planner_speed_rows(quick: bool, console: Console) -> list[dict[str, Any]]:
    """A row for each setting; mctx's columns are empty where it is not installed (the extra `bench`)."""
    network = Network().eval()
    rows = []
    with _one_core():
        for batch, depth, width, simulations, target in _SETTINGS:
            config = LookaheadConfig(depth=depth, width=width)
            steps = sum(config.sizes(_ACTIONS)[1:])
            ours = _lookahead_call(network, config, batch)
            theirs = _mctx_call(network, simulations, batch)
            rounds = 3 if quick else 40
            row: dict[str, Any] = {"part": "speed", "batch": batch, "depth": depth, "width": width}
            row |= {"num_simulations": steps, "target": target, "cores": 1}
            if theirs is None:
                console.print("mctx is not installed (pip install -e '.[bench]'): its columns stay empty")
                seconds, _, _ = interleave(ours, ours, rounds)
            else:
                seconds, theirs_seconds, _ = interleave(ours, theirs, rounds)
                rate = batch * simulations / theirs_seconds
                row |= {"mctx_per_second": rate, "mctx_ms": 1000 * theirs_seconds, "mctx_simulations": simulations}
            row |= {"per_second": batch * steps / seconds, "decision_ms": 1000 * seconds}
            rows.append(row)
    return rows


def planner_speed_table(rows: list[dict[str, Any]]) -> Table:
    """A line for each setting."""
    lines = []
    for row in rows:
        ratio = f"{row['per_second'] / row['mctx_per_second']:.2f}" if "mctx_per_second" in row else ""
        lines.append(
            [
                str(row["batch"]),
                f"{row['depth']} x {row['width']} = {row['simulations']}",
                f"{row['decision_ms']:.2f}",
                f"{row['per_second'] / 1000:.0f}k",
                f"{row['mctx_per_second'] / 1000:.0f}k" if "mctx_per_second" in row else "",
                ratio,
                row["target"],
            ]
        )
    columns = ["batch", "imagined steps", "ms a decision", "steps/s", "mctx steps/s", "ratio", "target"]
    return table("Look-ahead beside mctx, one core, medians of interleaved rounds", columns, lines)


def _lookahead_call(network: Network, config: LookaheadConfig, batch: int) -> Callable[[], object]:
    search = Traced(network, lambda b, u: tuple(lookahead(network, b, u, config, greedy=False)[0]), eager=0)
    belief, noise = torch.randn(batch, _LATENT), torch.rand(batch, sum(config.num_uniforms(network)))
    for _ in range(5):  # the tracer optimises over its first calls
        search(belief, noise)
    return lambda: search(belief, noise)


def _mctx_call(network: Network, simulations: int, batch: int) -> Callable[[], object] | None:
    """mctx's Gumbel MuZero on the same weights, compiled."""
    try:
        import jax
        import jax.numpy as jnp
        import mctx
    except ImportError:
        return None
    weights = {name: jnp.asarray(p.detach().numpy()) for name, p in network.named_parameters()}

    def linear(name: str, x: Any) -> Any:
        return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    def step(params: Any, key: Any, action: Any, belief: Any) -> Any:
        x = jnp.concatenate([belief, jax.nn.one_hot(action, _ACTIONS)], axis=-1)
        belief = belief + linear("last", jax.nn.relu(linear("second", jax.nn.relu(linear("first", x)))))
        out = linear("heads", belief)
        answer = mctx.RecurrentFnOutput(
            reward=out[:, -1],
            discount=jnp.full(out.shape[:1], 0.99),
            prior_logits=out[:, :_ACTIONS],
            value=out[:, _ACTIONS],
        )
        return answer, belief

    @jax.jit
    def decide(key: Any, belief: Any) -> Any:
        out = linear("heads", belief)
        root = mctx.RootFnOutput(prior_logits=out[:, :_ACTIONS], value=out[:, _ACTIONS], embedding=belief)
        return mctx.gumbel_muzero_policy(None, key, root, step, num_simulations=simulations).action

    key, belief = jax.random.PRNGKey(0), jnp.asarray(torch.randn(batch, _LATENT).numpy())
    return lambda: decide(key, belief).block_until_ready()


@contextmanager
def _one_core() -> Iterator[None]:
    """Everything inside, whichever library it is of, runs on one core."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    kept = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    if kept:
        os.sched_setaffinity(0, {max(kept)})
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        if kept:
            os.sched_setaffinity(0, kept)
