"""Gather data, train, imagine, plan: the whole way on CartPole, in a few minutes.

python examples/quickstart.py [--steps 20000] [--episodes 100] [name=value ...]    options of nextlat_rl.train
"""

from __future__ import annotations

import argparse

from nextlat_rl import Agent, collect_dataset, evaluate_agent, make_env, make_planner, train_model

ENV = "CartPole-v1"


def main() -> None:
    """Run the example."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=20_000, help="environment steps of the data set")
    parser.add_argument("--episodes", type=int, default=100, help="episodes of each evaluation")
    parser.add_argument("options", nargs="*", default=["trainer.steps=500", "objective.policy_temperature=0.5"])
    arguments = parser.parse_args()

    data = collect_dataset(ENV, "random", steps=arguments.steps)
    run = train_model(ENV, data, arguments.options)
    world_model = run.world_model

    env = make_env(ENV)
    observation, _ = env.reset(seed=0)
    memory = world_model.memory(batch_size=1)
    belief = world_model.observe(world_model.first_step([observation]), memory)  # [1, D]
    imagined = world_model.imagine(belief, horizon=20, rollout="sample")
    print(f"imagined return of 20 steps: {imagined.imagined_return().item():.1f}")

    planner = make_planner(world_model, "lookahead", depth=8, width=16, rollout="argmax")
    for name, chosen in (("policy", None), ("policy and look-ahead", planner)):
        agent = Agent(world_model, batch_size=16, deterministic=True, planner=chosen)
        row = evaluate_agent(agent, episodes=arguments.episodes)
        print(f"{name}: {row['return_mean']:.1f} [{row['return_ci_low']:.1f}, {row['return_ci_high']:.1f}]")


if __name__ == "__main__":
    main()
