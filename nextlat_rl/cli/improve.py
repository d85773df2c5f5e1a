"""A better policy from the same data: improvement in imagination, scored before and after."""

from __future__ import annotations

import json
from typing import Any

from nextlat_rl.config import ImproveConfig
from nextlat_rl.console import make_console, table
from nextlat_rl.data.minari_io import load_datasets
from nextlat_rl.envs import make_env, time_limit
from nextlat_rl.jobs.evaluation import COLUMNS, cells, check_env, score
from nextlat_rl.jobs.improvement import improve_policy, improved_folder
from nextlat_rl.jobs.report import imagined_gap
from nextlat_rl.jobs.setup import open_store
from nextlat_rl.memory import Acting
from nextlat_rl.results import write_json
from nextlat_rl.runtime import set_threads
from nextlat_rl.settings_check import check_improve_command, check_trained
from nextlat_rl.training import checkpoint
from nextlat_rl.world_model import WorldModel


def improve(config: ImproveConfig) -> None:
    """`python -m nextlat_rl.improve`."""
    check_improve_command(config)
    console = make_console(config.json)
    set_threads(config.threads)
    saved = checkpoint.load_config(config.checkpoint)
    trained = saved["train_config"]["objective"]
    check_trained(trained["name"], trained["value_weight"], config.planner.name, config.acting, config.improve.name)
    env_id = saved["env_id"]
    world_model = WorldModel.load(config.checkpoint, config.device)
    check_env(world_model, env_id)
    store = open_store(load_datasets(config.data or saved["dataset_id"]), console)
    deterministic = saved["train_config"]["deterministic"] if config.deterministic is None else config.deterministic
    env = make_env(env_id)
    limit = time_limit(env)
    env.close()

    def scored(name: str) -> dict[str, Any]:
        acting: Acting = config.acting  # type: ignore[assignment]  # validated at the edge
        row, episodes = score(
            world_model,
            env_id,
            acting=acting,
            episodes=config.episodes,
            deterministic=deterministic,
            n_envs=64,
            seed=config.seed,
            first_seed=config.first_seed,
            console=console,
        )
        return row | imagined_gap(world_model, episodes, limit, deterministic) | {"agent": name}

    rows = [scored("policy")]
    folder = improved_folder(checkpoint.run_folder(config.checkpoint), config.improve.name)
    improve_policy(world_model, store, config.improve, config.planner, config.seed, folder, saved, console)
    rows.append(scored("improved policy"))
    rows = [row | {"run": str(folder), "improve": config.improve.name, "seed": config.seed} for row in rows]
    write_json(folder / "results.json", rows)
    if config.json:
        print(json.dumps(rows, indent=1))
        return
    console.print(table(f"{env_id}, {config.episodes} fresh episodes", COLUMNS, [cells(row) for row in rows]))
    for row in rows:
        console.print(
            f"{row['agent']}: imagined return {row['imagined_return_mean']:.3f}, real {row['real_return_mean']:.3f}, "
            f"gap {row['imagined_gap']:+.3f}",
            highlight=False,
        )
    console.print(f"The improved policy lies in {folder}: evaluate checkpoint={folder}", highlight=False)
