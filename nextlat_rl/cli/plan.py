"""`python -m nextlat_rl.plan`."""

import time
from pathlib import Path
from typing import Any

import gymnasium as gym

from nextlat_rl.agents.agent import Agent
from nextlat_rl.agents.planning.imagined import every_action
from nextlat_rl.agents.planning.planner import Explanation, make_planner
from nextlat_rl.console import make_console, print_result, table
from nextlat_rl.durable import replaced
from nextlat_rl.envs import make_env
from nextlat_rl.envs.drawing import observation_drawer
from nextlat_rl.errors import UserError
from nextlat_rl.jobs.commands import PlanCommand
from nextlat_rl.jobs.evaluation import load_world_model
from nextlat_rl.jobs.requirements import check_trained
from nextlat_rl.jobs.suitability import check_folder
from nextlat_rl.jobs.trust import warn_of_distrust
from nextlat_rl.locks import claim
from nextlat_rl.plotting.plans import plan_figure
from nextlat_rl.runtime import set_threads
from nextlat_rl.training.checkpoint import load_config, run_folder, trained_objective
from nextlat_rl.training.tracking import Tracker
from nextlat_rl.world_model import WorldModel


def plan(config: PlanCommand) -> None:
    """Play up to a decision, and show what the planner compared: a picture, and a table in the terminal."""
    set_threads(config.threads)
    saved = load_config(config.checkpoint)
    folder = run_folder(config.checkpoint)
    check_folder(Path(config.out).parent if config.out else folder, "out=")
    check_trained(trained_objective(saved), planner=config.planner.name, acting=config.acting)
    world_model = load_world_model(config)
    env_id = world_model.env_id
    warn_of_distrust(world_model, config.planner.name, make_console(config.json))
    planner = make_planner(world_model, config.planner, deterministic=True)
    assert planner is not None  # `PlanCommand` refuses none
    agent = Agent(world_model, 1, config.acting, True, 0, planner)
    env = make_env(env_id)
    observation = _play_to(env, agent, config)
    found = planner.explain(agent.belief, config.seed, config.step, config.lines)
    names = _action_names(env)
    captions = [
        _caption(world_model, line, reached, names) for line, reached in zip(found.lines, found.returns, strict=True)
    ]
    drawer = observation_drawer(env.observation_space)
    figure = plan_figure(world_model, agent.memory.belief, found.lines, captions, drawer, observation)
    # Two commands in the same second get folders, and so pictures, of their own.
    events = (
        folder / Path(config.out).stem if config.out else claim(folder / time.strftime("plan-%Y%m%d-%H%M%S"), "out=")
    )
    out = Path(config.out or events.with_name(f"{events.name}.png"))
    with replaced(out) as part:
        figure.savefig(part, dpi=110, format=out.suffix[1:] or "png")
    tracker = Tracker(events)
    tracker.figure("plan/decision", figure, config.step)
    tracker.close()
    _print(config, env_id, _action_rows(found, env.action_space, names), captions, out)


def _play_to(env: gym.Env, agent: Agent, config: PlanCommand) -> Any:
    """Play up to the decision; its observation. The agent has then seen it, and has decided."""
    observation, _ = env.reset(seed=config.seed)
    reward = 0.0
    for t in range(config.step + 1):
        action = agent.act([observation], [reward], [t == 0], [config.seed])[0]
        if t == config.step:
            return observation
        observation, received, terminated, truncated, _ = env.step(action)
        reward = float(received)
        if terminated or truncated:
            raise UserError(f"the episode with seed={config.seed} is over after {t + 1} steps; choose a smaller step=")
    return observation


def _action_names(env: gym.Env) -> list[str] | None:
    """MiniGrid's names of its actions, where there are any."""
    actions = getattr(env.unwrapped, "actions", None)
    return [action.name for action in actions] if isinstance(actions, type) and hasattr(actions, "__iter__") else None


def _caption(world_model: WorldModel, line: Any, reached: float | None, names: list[str] | None) -> str:
    decoded = world_model.decode_actions(line)
    steps = " ".join(names[int(a)] if names else str(a) for a in decoded)
    return steps if reached is None else f"{reached:+.3f}  {steps}"


def _action_rows(found: Explanation, space: gym.Space[Any], names: list[str] | None) -> list[dict[str, Any]]:
    """What the planner holds of each action, the best first."""
    if found.plan is None or found.prior is None:
        return []
    shown = names or [str(action) for action in every_action(space)]
    return [
        {
            "action": shown[a],
            "policy": float(found.prior[a]),
            "improved": float(found.plan.weights[0, a]),
            "q": float(found.plan.q[0, a]),
            "lines": int(found.plan.visits[0, a]),
        }
        for a in found.plan.weights[0].argsort(descending=True).tolist()
    ]


def _print(config: PlanCommand, env_id: str, rows: list[dict[str, Any]], captions: list[str], out: Path) -> None:
    if config.json:
        print_result({"env": env_id, "actions": rows, "lines": captions, "picture": str(out)})
        return
    console = make_console(False)
    cells = [
        [r["action"], f"{r['policy']:.3f}", f"{r['improved']:.3f}", f"{r['q']:.4f}", str(r["lines"])] for r in rows
    ]
    if cells:
        columns = ["action", "policy", "improved policy", "q", "lines"]
        console.print(table(f"{env_id}, seed {config.seed}, step {config.step}", columns, cells))
    console.print("Lines compared, the chosen one first (imagined return, actions):", highlight=False)
    for caption in captions:
        console.print(f"  {caption}", highlight=False)
    console.print(f"Drawn in {out}", highlight=False)
